// A manifest becomes part of an image: one statement checks that the image has what it names, as long as it says, takes that under lock, and writes manifest, parts,
// tags and what webhooks tell. What is locked can't be collected before the statement ends, and afterwards it is named. docs/design/oci.md, A push.
import { type Actor, chargeOwner, findQuota, ownerLimit, type Package, type PackageId, packageFacts } from '../access/index.ts'
import { fixedQuery, type Queries, sql, type Tx } from '../db/index.ts'
import { digestText, type OciDigest } from './format/digests.ts'
import { ociError } from './format/errors.ts'
import type { Manifest } from './format/manifest.ts'
import { type Registry, rethrowFault } from './registry.ts'

export interface ManifestPush {
  readonly manifest: Manifest
  /** Exactly as they came. */
  readonly bytes: Uint8Array
  readonly digest: OciDigest
  /** That lead to it from now on. */
  readonly tags: readonly string[]
  readonly actor: Actor
}

/** InputError 'parts-unknown', 'manifest-invalid' (too many indexes in each other, a part of another size), 'name-unknown' (the image was deleted), 'quota-exceeded'. */
export async function pushManifest(registry: Registry, one: Package, push: ManifestPush): Promise<void> {
  const { manifest, digest, tags } = push
  if (manifest.isIndex) await assertDepth(registry.db.queries, one.id, manifest, registry.limits.indexDepth)
  const events = (tags.length === 0 ? [null] : tags).map((tag) => ({
    ...packageFacts(one, push.actor),
    digest: digest.text,
    mediaType: manifest.mediaType,
    artifactType: manifest.artifactType,
    tag,
  }))
  const needs = { blobs: needed(manifest, false), manifests: needed(manifest, true), foreign: foreign(manifest) }
  const { missing, misstated, said_bytes, held_bytes } = await insertManifest(registry, one, push, push.actor.name, needs, events)
  if (missing !== null) throw ociError('parts-unknown', `The image does not have ${missing.map(digestText).join(', ')}`)
  if (misstated === null) return
  throw ociError(
    'manifest-invalid',
    `The manifest is refused: ${digestText(misstated)} has ${held_bytes} bytes, and its size says ${said_bytes}`,
  )
}

/**
 * The same of a manifest that came from an upstream: what it names comes when it is asked for, and is held to its size then; nobody has published it.
 * InputError 'name-unknown', 'quota-exceeded'.
 */
export async function cacheManifest(
  registry: Registry,
  one: Package,
  { from, ...manifest }: Omit<ManifestPush, 'actor'> & { readonly from: string },
): Promise<void> {
  await insertManifest(registry, one, manifest, from, { blobs: [], manifests: [], foreign: [] }, [])
}

/**
 * Nothing is written where the image hasn't got what it needs, or has it in another size. Where the owner has a limit the statement alone writes nothing either: it
 * comes again in a transaction that charges him. All others have one statement.
 */
async function insertManifest(
  { db }: Registry,
  one: Package,
  push: Omit<ManifestPush, 'actor'>,
  actor: string,
  needs: Needs,
  events: readonly object[],
): Promise<Inserted> {
  const write = (queries: Queries, isCharged: boolean) => insertRows(queries, one, push, { actor, needs, events, isCharged })
  const charged = async (tx: Tx) => {
    const row = await write(tx, true)
    if (row.is_new === true) await chargeOwner(tx, one.ownerId, push.bytes.length)
    return row
  }
  try {
    const row = await write(db.queries, false)
    if (!row.is_limited) return row
    await findQuota(db, one.ownerId) // counts anew where that is due: what has gone made room, and the new row isn't there to be counted twice
    return await db.transaction(charged, { mayRetry: true })
  } catch (error) {
    return rethrowFault(error)
  }
}

interface Needs {
  readonly blobs: readonly Uint8Array[]
  readonly manifests: readonly Uint8Array[]
  /** What the image may have, or not. */
  readonly foreign: readonly Uint8Array[]
}

interface InsertOptions {
  readonly actor: string
  readonly needs: Needs
  readonly events: readonly object[]
  /** The owner's limit, if he has one, is looked at by the caller, in the same transaction. */
  readonly isCharged: boolean
}

async function insertRows(
  queries: Queries,
  one: Package,
  { manifest, digest, bytes, tags }: Omit<ManifestPush, 'actor'>,
  { actor, needs, events, isCharged }: InsertOptions,
): Promise<Inserted> {
  const { parts, subject, annotations } = manifest
  const [row] = await insert(
    queries,
    one.id,
    one.ownerId,
    isCharged,
    one.repositoryId,
    digest.bytes,
    manifest.mediaType,
    manifest.artifactType,
    subject === null ? null : subject.bytes,
    bytes,
    subject === null || annotations === null ? null : JSON.stringify(annotations),
    actor,
    needs.blobs,
    needs.manifests,
    needs.foreign,
    parts.map(({ kind }) => kind),
    parts.map((part) => part.digest.bytes),
    parts.map((part) => part.sizeBytes),
    parts.map((part) => part.mediaType),
    [...tags].sort(),
    JSON.stringify(events),
  )
  if (row === undefined) throw new Error('a statement of one row had none')
  return row
}

/** Digests that the image must have, in the order in which they are locked. */
function needed({ parts }: Manifest, ofManifests: boolean): Uint8Array[] {
  const found = parts.filter(({ kind, isForeign }) => !isForeign && (kind === 'manifest') === ofManifests)
  return [...new Map(found.map(({ digest }) => [digest.text, digest.bytes])).values()]
}

function foreign({ parts }: Manifest): Uint8Array[] {
  return parts.filter(({ isForeign }) => isForeign).map(({ digest }) => digest.bytes)
}

type InsertParameters = readonly [
  packageId: number,
  ownerId: number,
  isCharged: boolean,
  repositoryId: number | null,
  digest: Uint8Array,
  mediaType: string,
  artifactType: string | null,
  subject: Uint8Array | null,
  bytes: Uint8Array,
  annotations: string | null,
  actor: string,
  blobs: readonly Uint8Array[],
  manifests: readonly Uint8Array[],
  foreign: readonly Uint8Array[],
  kinds: readonly string[],
  digests: readonly Uint8Array[],
  sizes: readonly number[],
  mediaTypes: readonly string[],
  tags: readonly string[],
  events: string,
]

interface Inserted {
  /** What the image hasn't got, the first of it; then nothing is written. */
  readonly missing: Uint8Array[] | null
  /** The first part of which the image has more or fewer bytes than its descriptor says; then nothing is written. */
  readonly misstated: Uint8Array | null
  readonly said_bytes: number | null
  readonly held_bytes: number | null
  /** Nothing is written, since the owner has to be charged for it. */
  readonly is_limited: boolean
  /** The image hadn't got it. Null: nothing is written. */
  readonly is_new: boolean | null
}

const insert = fixedQuery<InsertParameters, Inserted>(
  (queries, packageId, ownerId, isCharged, repositoryId, digest, mediaType, artifactType, subject, bytes, annotations, actor, ...more) => {
    const [blobs, manifests, foreign, kinds, digests, sizes, mediaTypes, tags, events] = more
    const statement = sql<Inserted>`
    with one as (select ${packageId}::bigint as id, ${ownerId}::bigint as owner_id, ${digest}::bytea as digest),
    limited as materialized (select from one as pushed where not ${isCharged}::boolean and ${ownerLimit('pushed.owner_id')} is not null),
    manifests as materialized (
      select m.digest, octet_length(m.bytes) as size_bytes from oci_manifest m
      where m.package_id = (select id from one) and m.digest = any(${manifests}::bytea[] || ${foreign}::bytea[])
      order by m.digest for key share),
    blobs as materialized (
      select b.digest, b.size_bytes from oci_blob b
      where b.package_id = (select id from one) and b.digest = any(${blobs}::bytea[] || ${foreign}::bytea[])
      order by b.digest for key share),
    missing as materialized ( -- manifests are locked first, as collection does
      select d from unnest(${manifests}::bytea[]) d where d not in (select digest from manifests)
      union all select d from unnest(${blobs}::bytea[]) d where d not in (select digest from blobs)
      limit 10),
    given as materialized (
      select * from unnest(${kinds}::text[], ${digests}::bytea[], ${sizes}::bigint[], ${mediaTypes}::text[])
        with ordinality as p (kind, digest, size_bytes, media_type, ordinal)),
    misstated as materialized (
      select given.digest, given.size_bytes as said_bytes, held.size_bytes as held_bytes from given
      join (select true as is_manifest, * from manifests union all select false, * from blobs) held
        on held.digest = given.digest and held.is_manifest = (given.kind = 'manifest')
      where held.size_bytes <> given.size_bytes order by given.ordinal limit 1),
    made as (
      insert into oci_manifest (package_id, digest, media_type, artifact_type, subject, bytes, annotations, pushed_by)
      select one.id, one.digest, ${mediaType}::text, ${artifactType}::text, ${subject}::bytea, ${bytes}::bytea, ${annotations}::jsonb, ${actor}::text
      from one where not exists (select from missing) and not exists (select from misstated) and not exists (select from limited)
      on conflict (package_id, digest) do update
        set media_type = excluded.media_type, pushed_at = now(), pushed_by = excluded.pushed_by
      returning package_id, digest, xmax = 0 as is_new),
    parts as (
      insert into oci_manifest_part (package_id, manifest, ordinal, kind, digest, size_bytes, media_type)
      select made.package_id, made.digest, p.ordinal, p.kind, p.digest, p.size_bytes, p.media_type
      from made, given p where made.is_new),
    tags as (
      insert into oci_tag (package_id, name, digest)
      select made.package_id, t, made.digest from made, unnest(${tags}::text[]) t
      on conflict (package_id, name) do update set digest = excluded.digest, updated_at = now()),
    told as (
      insert into outbox (kind, repository_id, payload)
      select 'package.published', ${repositoryId}::bigint, event from made, jsonb_array_elements(${events}::jsonb) event)
    select (select array_agg(d) from missing) as missing, misstated.digest as misstated, said_bytes, held_bytes,
      exists (select from limited) as is_limited, (select is_new from made) as is_new from one left join misstated on true`
    return { compile: () => statement.compile(queries) }
  },
)

/** Rows that are looked at below an index. */
const mostBelow = 20_000

/** An index of indexes of indexes: what is below each is known, and doesn't change. InputError 'manifest-invalid'. */
async function assertDepth(queries: Queries, packageId: PackageId, manifest: Manifest, most: number): Promise<void> {
  const children = needed(manifest, true)
  if (children.length === 0) return
  const { rows } = await sql<{ depth: number | null; count: number }>`
    with recursive below (digest, depth) as (
      select d, 1 from unnest(${children}::bytea[]) d
      union
      select p.digest, below.depth + 1 from below
      join oci_manifest_part p on p.package_id = ${packageId} and p.manifest = below.digest and p.kind = 'manifest'
      where below.depth <= ${most})
    select max(depth) as depth, count(*)::int as count from (select depth from below limit ${mostBelow + 1}) as seen`.execute(queries)
  const { depth = null, count = 0 } = rows[0] ?? {}
  if ((depth ?? 0) > most) throw ociError('manifest-invalid', `The manifest is refused: more than ${most} indexes stand in each other`)
  if (count > mostBelow) throw ociError('manifest-invalid', `The manifest is refused: it leads to more than ${mostBelow} others`)
}
