// Manifests and tags as they stand in their rows: found by tag or digest with one statement, and taken away. Pushing stands in manifest-push.ts.
import { type Actor, audit, auditedAs, type Package, type PackageId, tellOfPackage } from '../access/index.ts'
import { type Database, fixedQuery, type Moment, type Queries, rememberedQuery, sql, type Tx } from '../db/index.ts'
import { digestNamed, digestText, type OciDigest } from './format/digests.ts'
import { ociError } from './format/errors.ts'
import type { Reference } from './format/target.ts'
import { manifestLeaseBegan } from './keeping/leases.ts'
import { namedBy } from './keeping/references.ts'
import type { Registry } from './registry.ts'

export interface StoredManifest {
  readonly digest: OciDigest
  readonly mediaType: string
  readonly sizeBytes: number
  readonly leaseBegan: Date
}

const sizeBytes = sql<number>`octet_length(oci_manifest.bytes)`.as('size_bytes')
const facts = ['oci_manifest.digest', 'oci_manifest.media_type', sizeBytes, manifestLeaseBegan.as('lease_began')] as const

const findByDigest = rememberedQuery(
  (queries, packageId: number, digest: Uint8Array) => byDigest(queries, packageId, digest).select(facts),
  { types: ['bigint', 'bytea'], most: 10_000 },
)
const findByTag = rememberedQuery(
  (queries, packageId: number, tag: string) =>
    queries
      .selectFrom('oci_tag')
      .innerJoin('oci_manifest', (join) =>
        join.onRef('oci_manifest.package_id', '=', 'oci_tag.package_id').onRef('oci_manifest.digest', '=', 'oci_tag.digest'),
      )
      .where('oci_tag.package_id', '=', packageId)
      .where('oci_tag.name', '=', tag)
      .select(facts),
  { types: ['bigint', 'text'], most: 10_000 },
)
const findBytes = fixedQuery((queries, packageId: number, digest: Uint8Array) =>
  byDigest(queries, packageId, digest).select('oci_manifest.bytes'),
)

function byDigest(queries: Queries, packageId: number, digest: Uint8Array) {
  return queries.selectFrom('oci_manifest').where('oci_manifest.package_id', '=', packageId).where('oci_manifest.digest', '=', digest)
}

/** Null: the image has none under that name. */
export async function findManifest(at: Database | Moment, packageId: PackageId, reference: Reference): Promise<StoredManifest | null> {
  const [row] =
    reference.kind === 'tag' ? await findByTag(at, packageId, reference.tag) : await findByDigest(at, packageId, reference.digest.bytes)
  if (row === undefined) return null
  return { digest: digestNamed(row.digest), mediaType: row.media_type, sizeBytes: row.size_bytes, leaseBegan: row.lease_began }
}

/** Of a manifest that was found just now; null when it has gone since. What a digest names is the same in every image. */
export async function manifestBytes(
  { db, manifestBytes: known }: Registry,
  packageId: PackageId,
  digest: OciDigest,
): Promise<Uint8Array | null> {
  const remembered = known.get(digest.text)
  if (remembered !== undefined) return remembered
  const [row] = await findBytes(db.queries, packageId, digest.bytes)
  if (row === undefined) return null
  known.set(digest.text, row.bytes, row.bytes.length)
  return row.bytes
}

/** Takes a tag away, and tells of it; the manifest stays. InputError 'manifest-unknown'. */
export async function deleteTag(tx: Tx, one: Package, tag: string, actor: Actor): Promise<void> {
  const row = await tx.deleteFrom('oci_tag').where('package_id', '=', one.id).where('name', '=', tag).returning('digest').executeTakeFirst()
  if (row === undefined) throw ociError('manifest-unknown')
  const told = { tag, digest: digestText(row.digest) }
  await tellOfPackage(tx, 'package.untagged', one, actor, told)
  await audit(tx, actor, { ...auditedAs(one), action: 'package.untag', details: told })
}

/**
 * Takes a manifest away, with its tags, and tells of it. InputError 'manifest-unknown'; 'in-use' where an index of the image names it. Locked first, as blobs are (`deleteBlob`).
 * What it named is let go by whoever keeps the registry tidy.
 */
export async function deleteManifest(tx: Tx, one: Package, digest: OciDigest, actor: Actor): Promise<void> {
  const row = await tx
    .selectFrom('oci_manifest')
    .select('media_type')
    .where('package_id', '=', one.id)
    .where('digest', '=', digest.bytes)
    .forUpdate()
    .executeTakeFirst()
  if (row === undefined) throw ociError('manifest-unknown')
  const index = await namedBy(tx, one.id, digest.bytes, 'manifest')
  if (index !== null) throw ociError('in-use', `An index of the image names this manifest: delete ${digestText(index)} first`)
  const tags = await tx
    .deleteFrom('oci_tag')
    .where('package_id', '=', one.id)
    .where('digest', '=', digest.bytes)
    .returning('name')
    .execute()
  await tx.deleteFrom('oci_manifest').where('package_id', '=', one.id).where('digest', '=', digest.bytes).execute()
  const names = tags.map(({ name }) => name).sort()
  await tellOfPackage(tx, 'package.deleted', one, actor, { digest: digest.text, mediaType: row.media_type, tags: names.join(' ') })
  await audit(tx, actor, { ...auditedAs(one), action: 'package.delete-version', details: { digest: digest.text, tags: names } })
}
