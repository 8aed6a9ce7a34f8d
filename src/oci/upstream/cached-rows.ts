// Rows of what came from upstreams: the registry's own (oci.md), with an upstream behind the package, and when a tag was compared.
import type { Package, PackageId, UpstreamId } from '../../access/index.ts'
import { type Database, fixedQuery, sql } from '../../db/index.ts'
import { type CachedName, cachedPackage } from '../../packages/index.ts'
import { digestOf, isLost } from '../../store/index.ts'
import type { Blob } from '../blob-rows.ts'
import type { OciDigest } from '../format/digests.ts'
import { ociError } from '../format/errors.ts'

/** The package of that name, made where nothing is here yet. InputError 'name-unknown' where the upstream is gone, or somebody has a package of his own there. */
export async function cachedImage(db: Database, name: CachedName): Promise<Package> {
  const found = await cachedPackage(db, name)
  if (found === null) throw ociError('name-unknown')
  return found
}

export interface TagState {
  readonly digest: Uint8Array
  readonly isFresh: boolean
}

const tagState = fixedQuery((queries, packageId: number, tag: string) =>
  queries
    .selectFrom('oci_tag')
    .innerJoin('package', 'package.id', 'oci_tag.package_id')
    .innerJoin('package_upstream', 'package_upstream.id', 'package.upstream_id')
    .leftJoin('oci_upstream_tag', (join) =>
      join.onRef('oci_upstream_tag.package_id', '=', 'oci_tag.package_id').onRef('oci_upstream_tag.name', '=', 'oci_tag.name'),
    )
    .select([
      'oci_tag.digest',
      sql<boolean>`coalesce(oci_upstream_tag.checked_at > now() - package_upstream.fresh_s * interval '1 second', false)`.as('is_fresh'),
    ])
    .where('oci_tag.package_id', '=', packageId)
    .where('oci_tag.name', '=', tag),
)

/** Null: the tag isn't here. */
export async function findTagState(db: Database, packageId: PackageId, tag: string): Promise<TagState | null> {
  const [row] = await tagState(db.queries, packageId, tag)
  return row === undefined ? null : { digest: row.digest, isFresh: row.is_fresh }
}

/** The tag is as the upstream has it, now. */
export async function noteChecked(db: Database, packageId: PackageId, tag: string): Promise<void> {
  await sql`
    insert into oci_upstream_tag (package_id, name) select package_id, name from oci_tag where package_id = ${packageId} and name = ${tag}
    on conflict (package_id, name) do update set checked_at = now()`.execute(db.queries)
}

/** The upstream has it no more. What it led to stays. */
export async function dropTag(db: Database, packageId: PackageId, tag: string): Promise<void> {
  await db.queries.deleteFrom('oci_tag').where('package_id', '=', packageId).where('name', '=', tag).execute()
}

/** What is known of a blob that an image hasn't got. */
export interface KnownBlob {
  /** As the image's manifests say; null: none names it, or they don't agree: one that lies shall keep nobody from what others name rightly. */
  readonly sizeBytes: number | null
  /** Another image of the same upstream has it. */
  readonly held: Blob | null
}

export async function findKnownBlob(db: Database, packageId: PackageId, upstreamId: UpstreamId, digest: OciDigest): Promise<KnownBlob> {
  const { rows } = await sql<{ size_bytes: number | null; content: Uint8Array | null; held_bytes: number | null }>`
    select part.size_bytes, held.content, held.size_bytes as held_bytes from (select 1) one
    cross join lateral (select case when min(size_bytes) = max(size_bytes) then min(size_bytes) end as size_bytes from oci_manifest_part
      where package_id = ${packageId} and digest = ${digest.bytes} and kind <> 'manifest') part
    left join lateral (select b.content, b.size_bytes from oci_blob b join package p on p.id = b.package_id
      where b.digest = ${digest.bytes} and p.upstream_id = ${upstreamId} and not ${isLost(sql.ref('b.content'))} limit 1) held on true`.execute(
    db.queries,
  )
  const { size_bytes: sizeBytes = null, content = null, held_bytes: heldBytes = null } = rows[0] ?? {}
  return { sizeBytes, held: content === null || heldBytes === null ? null : { content: digestOf(content), sizeBytes: heldBytes } }
}
