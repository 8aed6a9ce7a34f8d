// Manifests and tags as they stand in their rows: found by tag or digest with one statement, and taken away. Pushing stands in manifest-push.ts.
import { type Actor, type Package, type PackageId, tellOfPackage } from '../access/index.ts'
import { fixedQuery, type Queries, sql, type Tx } from '../db/index.ts'
import type { OciDigest } from './format/digests.ts'
import { digestText } from './format/digests.ts'
import { ociError } from './format/errors.ts'
import type { Reference } from './format/target.ts'

export interface StoredManifest {
  readonly digest: string
  readonly mediaType: string
  readonly sizeBytes: number
  /** Null where only its facts were asked for. */
  readonly bytes: Uint8Array | null
}

interface Row {
  readonly digest: Uint8Array
  readonly media_type: string
  readonly size_bytes: number
  readonly bytes: Uint8Array | null
}

const sizeBytes = sql<number>`octet_length(oci_manifest.bytes)`.as('size_bytes')
const noBytes = sql<Uint8Array | null>`null::bytea`.as('bytes')
const facts = ['oci_manifest.digest', 'oci_manifest.media_type'] as const

const byDigest = (queries: Queries, packageId: number, digest: Uint8Array) =>
  queries.selectFrom('oci_manifest').where('oci_manifest.package_id', '=', packageId).where('oci_manifest.digest', '=', digest)

const byTag = (queries: Queries, packageId: number, tag: string) =>
  queries
    .selectFrom('oci_tag')
    .innerJoin('oci_manifest', (join) =>
      join.onRef('oci_manifest.package_id', '=', 'oci_tag.package_id').onRef('oci_manifest.digest', '=', 'oci_tag.digest'),
    )
    .where('oci_tag.package_id', '=', packageId)
    .where('oci_tag.name', '=', tag)

const wholeByDigest = fixedQuery((queries, packageId: number, digest: Uint8Array) =>
  byDigest(queries, packageId, digest).select([...facts, sizeBytes, 'oci_manifest.bytes']),
)
const factsByDigest = fixedQuery((queries, packageId: number, digest: Uint8Array) =>
  byDigest(queries, packageId, digest).select([...facts, sizeBytes, noBytes]),
)
const wholeByTag = fixedQuery((queries, packageId: number, tag: string) =>
  byTag(queries, packageId, tag).select([...facts, sizeBytes, 'oci_manifest.bytes']),
)
const factsByTag = fixedQuery((queries, packageId: number, tag: string) =>
  byTag(queries, packageId, tag).select([...facts, sizeBytes, noBytes]),
)

/** Null: the image has none under that name. @param isWhole false: its facts alone */
export async function findManifest(
  queries: Queries,
  packageId: PackageId,
  reference: Reference,
  isWhole: boolean,
): Promise<StoredManifest | null> {
  const rows: readonly Row[] =
    reference.kind === 'tag'
      ? await (isWhole ? wholeByTag : factsByTag)(queries, packageId, reference.tag)
      : await (isWhole ? wholeByDigest : factsByDigest)(queries, packageId, reference.digest.bytes)
  const [row] = rows
  if (row === undefined) return null
  return { digest: digestText(row.digest), mediaType: row.media_type, sizeBytes: row.size_bytes, bytes: row.bytes }
}

/** Takes a tag away; the manifest stays. InputError 'manifest-unknown'. */
export async function deleteTag(tx: Tx, one: Package, tag: string, actor: Actor): Promise<void> {
  const row = await tx.deleteFrom('oci_tag').where('package_id', '=', one.id).where('name', '=', tag).returning('digest').executeTakeFirst()
  if (row === undefined) throw ociError('manifest-unknown')
  await tellOfPackage(tx, 'package.untagged', one, actor, { tag, digest: digestText(row.digest) })
}

/**
 * Takes a manifest away, with its tags. InputError 'manifest-unknown'; 'in-use' where an index of the image names it. Locked first, as blobs are (`deleteBlob`).
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
  const index = await tx
    .selectFrom('oci_manifest_part')
    .select('manifest')
    .where('package_id', '=', one.id)
    .where('digest', '=', digest.bytes)
    .where('kind', '=', 'manifest')
    .limit(1)
    .executeTakeFirst()
  if (index !== undefined) throw ociError('in-use', `An index of the image names this manifest: delete ${digestText(index.manifest)} first`)
  const tags = await tx
    .deleteFrom('oci_tag')
    .where('package_id', '=', one.id)
    .where('digest', '=', digest.bytes)
    .returning('name')
    .execute()
  await tx.deleteFrom('oci_manifest').where('package_id', '=', one.id).where('digest', '=', digest.bytes).execute()
  const names = tags.map(({ name }) => name).sort()
  await tellOfPackage(tx, 'package.deleted', one, actor, { digest: digest.text, mediaType: row.media_type, tags: names.join(' ') })
}
