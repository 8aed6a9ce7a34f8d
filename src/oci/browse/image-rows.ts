// What the tables say of an image's manifests and tags: as rows, without the bytes of manifests.
import type { PackageId } from '../../access/index.ts'
import { type Database, type PageRequest, type Queries, readPage, sql } from '../../db/index.ts'
import { digestText, parseDigest } from '../format/digests.ts'
import { isTag } from '../format/names.ts'
import { findManifest } from '../manifest-rows.ts'

export interface ManifestRow {
  /** The version of the package, by number. */
  readonly id: number
  readonly digest: string
  readonly mediaType: string
  readonly artifactType: string | null
  readonly subject: string | null
  /** Of the manifest itself. */
  readonly sizeBytes: number
  /** The names that it has now, in order. */
  readonly tags: readonly string[]
  readonly pushedAt: Date
  readonly pulledAt: Date | null
  readonly pullCount: number
}

export interface TagRow {
  readonly name: string
  readonly digest: string
  readonly mediaType: string
  readonly artifactType: string | null
  /** The manifest, all that it names, and what that names; each once. */
  readonly totalBytes: number
  readonly createdAt: Date
  /** Since when it is at this manifest. */
  readonly updatedAt: Date
  readonly pulledAt: Date | null
  readonly pullCount: number
}

/** The digest that a tag or a digest stands for; null: nothing of the image. */
export async function resolveReference(db: Database, image: PackageId, text: string): Promise<Uint8Array | null> {
  const digest = parseDigest(text)
  if (digest === null && !isTag(text)) return null
  const found = await findManifest(db, image, digest === null ? { kind: 'tag', tag: text } : { kind: 'digest', digest })
  return found?.digest.bytes ?? null
}

function manifestRows(queries: Queries, image: PackageId) {
  return queries
    .selectFrom('oci_manifest as manifest')
    .select(['id', 'digest', 'media_type', 'artifact_type', 'subject', 'pushed_at', 'pulled_at', 'pull_count'])
    .select(sql<number>`octet_length(manifest.bytes)`.as('size_bytes'))
    .select(
      sql<string[]>`array(select tag.name from oci_tag tag
        where tag.package_id = manifest.package_id and tag.digest = manifest.digest order by tag.name)`.as('tags'),
    )
    .where('package_id', '=', image)
}

type RawManifest = Awaited<ReturnType<ReturnType<typeof manifestRows>['executeTakeFirstOrThrow']>>

function manifestOf(row: RawManifest): ManifestRow {
  return {
    id: row.id,
    digest: digestText(row.digest),
    mediaType: row.media_type,
    artifactType: row.artifact_type,
    subject: row.subject === null ? null : digestText(row.subject),
    sizeBytes: row.size_bytes,
    tags: row.tags,
    pushedAt: row.pushed_at,
    pulledAt: row.pulled_at,
    pullCount: row.pull_count,
  }
}

/** Of those digests that the image has, in no order. */
export async function manifestsByDigest(queries: Queries, image: PackageId, digests: readonly Uint8Array[]): Promise<ManifestRow[]> {
  if (digests.length === 0) return []
  const rows = await manifestRows(queries, image).where('digest', '=', sql<Uint8Array>`any(${digests}::bytea[])`).execute()
  return rows.map(manifestOf)
}

/** One version, by its number. */
export async function manifestById(queries: Queries, image: PackageId, id: number): Promise<ManifestRow | null> {
  const row = await manifestRows(queries, image).where('id', '=', id).executeTakeFirst()
  return row === undefined ? null : manifestOf(row)
}

/** The newest first. */
export async function listManifests(
  queries: Queries,
  image: PackageId,
  wanted: PageRequest,
): Promise<{ readonly manifests: readonly ManifestRow[]; readonly total: number }> {
  const { found, total } = await readPage(manifestRows(queries, image), (all) => all.orderBy('id', 'desc'), wanted)
  return { manifests: found.map(manifestOf), total }
}

/** What names that manifest as its subject, the oldest first. */
export async function listReferrers(
  queries: Queries,
  image: PackageId,
  subject: Uint8Array,
  { artifactType, ...wanted }: PageRequest & { readonly artifactType?: string | undefined },
): Promise<{
  readonly manifests: readonly (ManifestRow & { readonly annotations: Readonly<Record<string, string>> })[]
  readonly total: number
}> {
  const rows = manifestRows(queries, image)
    .select('annotations')
    .where('subject', '=', subject)
    .$if(artifactType !== undefined, (all) => all.where('artifact_type', '=', artifactType as string))
  const { found, total } = await readPage(rows, (all) => all.orderBy('id'), wanted)
  return {
    manifests: found.map((row) => ({ ...manifestOf(row), annotations: (row.annotations ?? {}) as Readonly<Record<string, string>> })),
    total,
  }
}

/** How many tags it has. */
export async function countTags(queries: Queries, image: PackageId): Promise<number> {
  const { total } = await queries
    .selectFrom('oci_tag')
    .select((select) => select.fn.countAll<number>().as('total'))
    .where('package_id', '=', image)
    .executeTakeFirstOrThrow()
  return total
}

/** In the order of names, or the one of a name. */
export async function listTags(
  queries: Queries,
  image: PackageId,
  { name, ...wanted }: PageRequest & { readonly name?: string },
): Promise<{ readonly tags: readonly TagRow[]; readonly total: number }> {
  const rows = queries
    .selectFrom('oci_tag as tag')
    .innerJoin('oci_manifest as manifest', (join) =>
      join.onRef('manifest.package_id', '=', 'tag.package_id').onRef('manifest.digest', '=', 'tag.digest'),
    )
    .select(['tag.name', 'tag.digest', 'tag.created_at', 'tag.updated_at'])
    .select(['manifest.media_type', 'manifest.artifact_type', 'manifest.pulled_at', 'manifest.pull_count'])
    .where('tag.package_id', '=', image)
    .$if(name !== undefined, (all) => all.where('tag.name', '=', name as string))
  const { found, total } = await readPage(rows, (all) => all.orderBy('tag.name'), wanted)
  const totals = await totalBytes(
    queries,
    image,
    found.map(({ digest }) => digest),
  )
  const tags = found.map((row) => {
    const digest = digestText(row.digest)
    return {
      name: row.name,
      digest,
      mediaType: row.media_type,
      artifactType: row.artifact_type,
      totalBytes: totals.get(digest) ?? 0,
      createdAt: row.created_at,
      updatedAt: row.updated_at,
      pulledAt: row.pulled_at,
      pullCount: row.pull_count,
    }
  })
  return { tags, total }
}

/**
 * Of each: itself, manifests and blobs that it names, and those that they name; each once, as far as the image has the manifests. Sizes are what manifests say, of
 * blobs that lie elsewhere anything at all: 2^53 − 1 at most.
 */
export async function totalBytes(queries: Queries, image: PackageId, roots: readonly Uint8Array[]): Promise<ReadonlyMap<string, number>> {
  if (roots.length === 0) return new Map()
  const { rows } = await sql<{ root: Uint8Array; size_bytes: number }>`
    with recursive below as (
      select root, root as digest from unnest(${roots}::bytea[]) as root
      union
      select below.root, part.digest from below
        join oci_manifest_part part on part.package_id = ${image} and part.manifest = below.digest and part.kind = 'manifest'
    ), parts as (
      select below.root, manifest.digest, octet_length(manifest.bytes)::int8 as size_bytes from below
        join oci_manifest manifest on manifest.package_id = ${image} and manifest.digest = below.digest
      union
      select below.root, part.digest, part.size_bytes from below
        join oci_manifest_part part on part.package_id = ${image} and part.manifest = below.digest and part.kind <> 'manifest'
    )
    select root, least(sum(size_bytes), ${Number.MAX_SAFE_INTEGER}::int8)::int8 as size_bytes from parts group by root`.execute(queries)
  return new Map(rows.map((row) => [digestText(row.root), row.size_bytes]))
}

/** How many versions each has. */
export async function countVersions(queries: Queries, images: readonly PackageId[]): Promise<ReadonlyMap<PackageId, number>> {
  if (images.length === 0) return new Map()
  const rows = await queries
    .selectFrom('oci_manifest')
    .select(['package_id', (select) => select.fn.countAll<number>().as('total')])
    .where('package_id', '=', sql<number>`any(${images}::bigint[])`)
    .groupBy('package_id')
    .execute()
  return new Map(rows.map((row) => [row.package_id as PackageId, row.total]))
}
