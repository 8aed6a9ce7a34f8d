// Rows that say which blobs an image has. They alone give access to content: knowing a digest is no permission. docs/design/oci.md.
import { type Actor, audit, auditedAs, type Package, type PackageId } from '../access/index.ts'
import { type Database, fixedQuery, type Moment, type Queries, rememberedQuery, sql, type Tx } from '../db/index.ts'
import { type Digest, digestBytes, digestOf, isLost } from '../store/index.ts'
import { digestText, type OciDigest } from './format/digests.ts'
import { ociError } from './format/errors.ts'
import { chargeContent } from '../packages/index.ts'
import { namedBy } from './keeping/references.ts'

export interface Blob {
  /** Of its bytes, by SHA-256, whatever names it. */
  readonly content: Digest
  readonly sizeBytes: number
}

export interface FoundBlob extends Blob {
  readonly leasedUntil: Date
}

const byDigest = (queries: Queries, packageId: number, digest: Uint8Array) =>
  queries
    .selectFrom('oci_blob')
    .select(['content', 'size_bytes', 'leased_until'])
    .where('package_id', '=', packageId)
    .where('digest', '=', digest)

const findRow = rememberedQuery(byDigest, { types: ['bigint', 'bytea'], most: 10_000 })
const findSoundRow = rememberedQuery(
  (queries, packageId: number, digest: Uint8Array) =>
    byDigest(queries, packageId, digest).where((where) => where.not(isLost(sql.ref('oci_blob.content')))),
  { types: ['bigint', 'bytea'], most: 10_000 },
)

/** Null: the image hasn't got it. */
export async function findBlob(at: Database | Moment, packageId: PackageId, digest: OciDigest): Promise<FoundBlob | null> {
  return foundBlob(await findRow(at, packageId, digest.bytes))
}

/** Null also where its bytes are known to be lost: whoever hears so sends it again, which mends it. */
export async function findSoundBlob(at: Database | Moment, packageId: PackageId, digest: OciDigest): Promise<FoundBlob | null> {
  return foundBlob(await findSoundRow(at, packageId, digest.bytes))
}

interface BlobRow {
  readonly content: Uint8Array
  readonly size_bytes: number
  readonly leased_until: Date
}

function foundBlob([row]: readonly BlobRow[]): FoundBlob | null {
  return row === undefined ? null : { content: digestOf(row.content), sizeBytes: row.size_bytes, leasedUntil: row.leased_until }
}

/**
 * To be called in the transaction that holds the content. A blob that is there already is kept from now on as if it had just come. InputError `quota-exceeded`
 * when the owner may not store it; asked only where `isLimited`.
 */
export async function insertBlob(
  tx: Tx,
  one: Pick<Package, 'id' | 'ownerId'>,
  digest: OciDigest,
  blob: Blob,
  { leaseMs, isLimited }: { readonly leaseMs: number; readonly isLimited: boolean },
): Promise<void> {
  const content = digestBytes(blob.content)
  const [row] = await insertRow(tx, one.id, digest.bytes, content, blob.sizeBytes, leaseMs)
  if (isLimited && row?.isNew === true) await chargeContent(tx, one, content, blob.sizeBytes)
}

const insertRow = fixedQuery((queries, packageId: number, digest: Uint8Array, content: Uint8Array, sizeBytes: number, leaseMs: number) => {
  const statement = sql<{ isNew: boolean }>`
    insert into oci_blob (package_id, digest, content, size_bytes, leased_until)
    values (${packageId}, ${digest}, ${content}, ${sizeBytes}, now() + ${leaseMs} * interval '1 millisecond')
    on conflict (package_id, digest) do update set leased_until = greatest(oci_blob.leased_until, excluded.leased_until)
    returning xmax = 0 as "isNew"`
  return { compile: () => statement.compile(queries) }
})

/**
 * Takes a blob away from an image, and tells of it. InputError 'blob-unknown'; 'in-use' where a manifest of the image names it. The row is locked first: a push of a manifest that
 * names it has then either ended, and is seen by the next statement, or finds no blob. Its hold on the content goes with it, by a trigger; the content's row is
 * locked before, as uploads and mounts do.
 */
export async function deleteBlob(tx: Tx, one: Package, digest: OciDigest, actor: Actor): Promise<void> {
  await sql`
    select from content where digest in (select content from oci_blob where package_id = ${one.id} and digest = ${digest.bytes})
    for update`.execute(tx)
  const { rows } = await sql`select from oci_blob where package_id = ${one.id} and digest = ${digest.bytes} for update`.execute(tx)
  if (rows.length === 0) throw ociError('blob-unknown')
  const manifest = await namedBy(tx, one.id, digest.bytes, 'blob')
  if (manifest !== null) throw ociError('in-use', `A manifest of the image names this blob: delete ${digestText(manifest)} first`)
  await tx.deleteFrom('oci_blob').where('package_id', '=', one.id).where('digest', '=', digest.bytes).execute()
  await audit(tx, actor, { ...auditedAs(one), action: 'package.delete-blob', details: { digest: digest.text } })
}
