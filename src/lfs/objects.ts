// Rows that say which LFS objects a repository has. They alone give access to content: knowing an oid is no permission.
import { type AccountId, chargeOwner, type RepositoryId } from '../access/index.ts'
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

/** Notes that somebody is about to push what points to them: they stay for the time of grace. Come before `findObjects`: what went meanwhile isn't found then. */
export async function askForObjects(queries: Queries, repositoryId: RepositoryId, oids: readonly Digest[]): Promise<void> {
  if (oids.length === 0) return
  await sql`
    with asked as (
      select oid from lfs_object where repository_id = ${repositoryId} and oid = any(${oids.map(digestBytes)}::bytea[])
        and asked_at < now() - interval '1 minute' order by oid for update)
    update lfs_object o set asked_at = now() from asked where o.repository_id = ${repositoryId} and o.oid = asked.oid`.execute(queries)
}

/**
 * Ties content that somebody has just uploaded to the repository, and holds it in the same transaction. Refusal 404 when the repository was
 * deleted meanwhile; InputError `quota-exceeded` when its owner may not store it; UnavailableError 'content-changed' when the content was collected: the upload may be tried again.
 */
export async function keepObject(
  parts: { readonly db: Database; readonly store: ContentStore },
  repositoryId: RepositoryId,
  object: { readonly digest: Digest; readonly sizeBytes: number },
): Promise<void> {
  await parts.db.transaction(
    async (tx) => {
      const repository = await tx
        .selectFrom('repository')
        .select('owner_id')
        .where('id', '=', repositoryId)
        .forKeyShare()
        .executeTakeFirst()
      if (!repository) throw notFound()
      const isHeld = await parts.store.hold(tx, object.digest, { kind: lfsReferences, id: String(repositoryId) })
      if (!isHeld) throw new UnavailableError('content-changed', 'an LFS object was collected before its repository held it')
      const { isNew } = await tx
        .insertInto('lfs_object')
        .values({ repository_id: repositoryId, oid: digestBytes(object.digest), size_bytes: object.sizeBytes })
        .onConflict((conflict) => conflict.columns(['repository_id', 'oid']).doUpdateSet({ asked_at: sql<Date>`now()` }))
        .returning(sql<boolean>`xmax = 0`.as('isNew'))
        .executeTakeFirstOrThrow()
      if (isNew) await chargeOwner(tx, repository.owner_id as AccountId, object.sizeBytes)
    },
    { mayRetry: true },
  )
}
