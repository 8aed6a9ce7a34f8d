// Rows that say which LFS objects a repository has. They alone give access to content: knowing an oid is no permission.
import type { RepositoryId } from '../access/index.ts'
import { UnavailableError } from '../base/index.ts'
import { type Database, type Queries, sql } from '../db/index.ts'
import { notFound } from '../http/index.ts'
import { type ContentStore, type Digest, digestBytes, digestOf } from '../store/index.ts'
import { lfsReferences } from './kept-content.ts'

/** Sizes of those that the repository has. */
export async function findObjects(queries: Queries, repositoryId: RepositoryId, oids: readonly Digest[]): Promise<Map<Digest, number>> {
  if (oids.length === 0) return new Map()
  const rows = await queries
    .selectFrom('lfs_object')
    .select(['oid', 'size_bytes'])
    .where('repository_id', '=', repositoryId)
    .where('oid', '=', sql<Uint8Array>`any(${oids.map(digestBytes)}::bytea[])`)
    .execute()
  return new Map(rows.map((row) => [digestOf(row.oid), row.size_bytes]))
}

/**
 * Ties content that somebody has just uploaded to the repository, and holds it in the same transaction. Refusal 404 when the repository was
 * deleted meanwhile; UnavailableError 'content-changed' when the content was collected: the upload may be tried again.
 */
export async function keepObject(
  parts: { readonly db: Database; readonly store: ContentStore },
  repositoryId: RepositoryId,
  object: { readonly digest: Digest; readonly sizeBytes: number },
): Promise<void> {
  await parts.db.transaction(
    async (tx) => {
      const repository = await tx.selectFrom('repository').select('id').where('id', '=', repositoryId).forKeyShare().executeTakeFirst()
      if (!repository) throw notFound()
      const isHeld = await parts.store.hold(tx, object.digest, { kind: lfsReferences, id: String(repositoryId) })
      if (!isHeld) throw new UnavailableError('content-changed', 'an LFS object was collected before its repository held it')
      await tx
        .insertInto('lfs_object')
        .values({ repository_id: repositoryId, oid: digestBytes(object.digest), size_bytes: object.sizeBytes })
        .onConflict((conflict) => conflict.doNothing())
        .execute()
    },
    { mayRetry: true },
  )
}
