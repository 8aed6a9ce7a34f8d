// The store's rows: finding chunks, and the transaction that makes contents visible. docs/design/content-store.md, A put.
import { hex, UnavailableError } from '../base/index.ts'
import { segmentKey } from '../bucket/index.ts'
import { type Database, type Queries, sql, type Tx } from '../db/index.ts'
import type { ContentInfo, ContentReference } from './content-store.ts'
import { type Digest, digestBytes, digestOf } from './digest.ts'
import { addRun, type Run, sealRecipe } from './format/recipe.ts'
import type { Found } from './put-job.ts'
import { mendLost } from './mend-lost.ts'
import type { StagedSegment } from './segment-writer.ts'
import type { PlacedRun } from './placed-runs.ts'
import { isLost } from './whole/damaged.ts'

/** Content whose bytes are durable, and which no row names yet. */
export interface StagedContent {
  readonly digest: Uint8Array
  readonly sizeBytes: number
  readonly runs: readonly PlacedRun[]
  /** The segments that it rests on, by UUID: those of its runs, and the one that its recipe stands in. */
  readonly uuids: readonly string[]
  /** Segments of its own. */
  readonly staged: readonly StagedSegment[]
  readonly reference: ContentReference | null
}

/** How long content is kept without a reference, and how long a segment that nothing needs can still be read. */
export const leaseHours = 24

/** Which of the chunks are known, and where. `hashes`: 32 bytes each. */
export async function findChunks(db: Queries, hashes: Uint8Array): Promise<Found> {
  const count = hashes.length / 32
  const found: Found = { segments: new Float64Array(count).fill(-1), ordinals: new Uint32Array(count) }
  const { rows } = await sql<{ n: number; segment_id: number; ordinal: number }>`
    select n, chunk.segment_id, chunk.ordinal
    from generate_series(0, ${count}::int - 1) n join chunk on chunk.hash = substring(${hashes}::bytea from n * 32 + 1 for 32)`.execute(db)
  for (const row of rows) {
    found.segments[row.n] = row.segment_id
    found.ordinals[row.n] = row.ordinal
  }
  return found
}

/** UUIDs of segments by id; those that are gone are left out. */
export async function segmentUuids(db: Queries, ids: readonly number[]): Promise<Map<number, string>> {
  if (ids.length === 0) return new Map()
  const rows = await db
    .selectFrom('segment')
    .select(['id', 'uuid'])
    .where('id', '=', sql<number>`any(${[...ids]}::bigint[])`)
    .execute()
  return new Map(rows.map((row) => [row.id, row.uuid]))
}

/** Those that are there, but for those whose bytes are known to be lost. */
export async function findContents(queries: Queries, digests: readonly Digest[]): Promise<Map<Digest, ContentInfo>> {
  const rows = await queries
    .selectFrom('content')
    .select(['digest', 'size_bytes'])
    .where('digest', '=', sql<Uint8Array>`any(${[...new Set(digests)].map(digestBytes)}::bytea[])`)
    .where((where) => where.not(isLost(sql.ref('content.digest'))))
    .execute()
  return new Map(
    rows.map((row) => {
      const digest = digestOf(row.digest)
      return [digest, { digest, sizeBytes: row.size_bytes }]
    }),
  )
}

/** What one transaction makes visible. */
export interface Commit {
  readonly contents: readonly StagedContent[]
  /** Contents that were there before: their leases begin anew. */
  readonly touched: readonly { readonly digest: Uint8Array; readonly reference: ContentReference | null }[]
  /** Segments that several of them rest on. */
  readonly shared: readonly StagedSegment[]
}

export interface Committed {
  /** Those of `contents` that have rows now: none of the segments that they rest on is gone. */
  readonly kept: ReadonlySet<StagedContent>
  /** Those of them that had no row before, or whose bytes were lost. */
  readonly fresh: ReadonlySet<StagedContent>
  /** Those of `touched` that are still there. */
  readonly touched: ReadonlySet<Digest>
}

/** All or nothing, but for what rests on segments that are gone. UnavailableError 'lease-lost' when an intent row was swept; 'commit-unknown'. */
export async function commitContents(db: Database, commit: Commit): Promise<Committed> {
  return db.transaction((tx) => commitIn(tx, commit), { mayRetry: true })
}

async function commitIn(tx: Tx, { contents, touched, shared }: Commit): Promise<Committed> {
  const own = new Set(contents.flatMap((content) => content.staged.map((segment) => segment.uuid)))
  for (const segment of shared) own.add(segment.uuid)
  const old = new Set(contents.flatMap((content) => content.uuids).filter((uuid) => !own.has(uuid)))
  const ids = await lockSegments(tx, [...old])
  const kept = contents.filter((content) => content.uuids.every((uuid) => own.has(uuid) || ids.has(uuid)))
  const segments = [...shared, ...kept.flatMap((content) => content.staged)]
  for (const segment of segments) ids.set(segment.uuid, await insertSegment(tx, segment))
  const fresh = await insertContents(tx, kept, ids)
  const there = await touchContents(
    tx,
    touched.map(({ digest }) => digest),
  )
  await insertReferences(tx, [...kept, ...touched.filter(({ digest }) => there.has(digestOf(digest)))])
  for (const segment of segments) await insertChunks(tx, segment, ids.get(segment.uuid) as number)
  await deleteIntents(tx, segments)
  if (fresh.size < contents.length) await reviewSoon(tx, [...ids.values()])
  return { kept: new Set(kept), fresh, touched: there }
}

async function touchContents(tx: Tx, digests: readonly Uint8Array[]): Promise<Set<Digest>> {
  if (digests.length === 0) return new Set()
  const { rows } = await sql<{ digest: Uint8Array }>`
    with due as (select digest from content where digest = any(${[...digests]}::bytea[]) order by digest for update)
    update content set leased_until = greatest(leased_until, now() + ${leaseHours} * interval '1 hour')
    from due where content.digest = due.digest returning content.digest`.execute(tx)
  return new Set(rows.map((row) => digestOf(row.digest)))
}

/** Share locks: until the transaction ends they stay live. What was draining is live again. */
export async function lockSegments(tx: Tx, uuids: readonly string[]): Promise<Map<string, number>> {
  if (uuids.length === 0) return new Map()
  await sql`
    update segment set draining_since = null, review_at = now() + interval '1 day'
    where uuid = any(${[...uuids]}::uuid[]) and draining_since is not null`.execute(tx)
  const { rows } = await sql<{ id: number; uuid: string }>`
    select id, uuid from segment where uuid = any(${[...uuids]}::uuid[]) and draining_since is null order by id for share`.execute(tx)
  return new Map(rows.map((row) => [row.uuid, row.id]))
}

export async function insertSegment(tx: Tx, segment: StagedSegment): Promise<number> {
  const row = await tx
    .insertInto('segment')
    .values({
      uuid: segment.uuid,
      tail: segment.tail,
      size_bytes: segment.sizeBytes,
      index_bytes: segment.indexBytes,
      chunk_count: segment.sizes.length,
    })
    .returning('id')
    .executeTakeFirstOrThrow()
  return row.id
}

/** Rows with places for UUIDs: the recipe as the database keeps it. */
export function recipeBytes({ digest, runs }: Pick<StagedContent, 'digest' | 'runs'>, ids: ReadonlyMap<string, number>): Uint8Array {
  const numbered: Run[] = []
  for (const { uuid, ...run } of runs) addRun(numbered, { ...run, segment: ids.get(uuid) as number })
  return sealRecipe(digest, numbered)
}

/** Those that had no row, or were lost. The others' rows are locked, and their leases begin anew: they can't be collected before this transaction ends. */
async function insertContents(tx: Tx, contents: readonly StagedContent[], ids: ReadonlyMap<string, number>): Promise<Set<StagedContent>> {
  const byDigest = new Map(contents.map((content) => [hex(content.digest), content]))
  const ordered = [...byDigest].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, content]) => content)
  if (ordered.length === 0) return new Set()
  const { rows } = await sql<{ digest: Uint8Array; is_fresh: boolean }>`
    insert into content (digest, size_bytes, recipe, leased_until)
    select d, s, r, now() + ${leaseHours} * interval '1 hour'
    from unnest(${ordered.map((content) => content.digest)}::bytea[], ${ordered.map((content) => content.sizeBytes)}::bigint[],
      ${ordered.map((content) => recipeBytes(content, ids))}::bytea[]) as new (d, s, r)
    on conflict (digest) do update set leased_until = greatest(content.leased_until, excluded.leased_until)
    returning digest, xmax = 0 as is_fresh`.execute(tx)
  const fresh = new Set(rows.filter((row) => row.is_fresh).map((row) => byDigest.get(hex(row.digest)) as StagedContent))
  const others = ordered.filter((content) => !fresh.has(content))
  const mended = await mendLost(
    tx,
    others.map((content) => ({ digest: content.digest, recipe: recipeBytes(content, ids) })),
    leaseHours,
  )
  for (const content of others) if (mended.has(digestOf(content.digest))) fresh.add(content)
  const links = [...fresh].flatMap((content) => content.uuids.map((uuid) => ({ digest: content.digest, segment: ids.get(uuid) as number })))
  await insertLinks(tx, links)
  return fresh
}

/** That contents rest on segments. */
export async function insertLinks(tx: Tx, links: readonly { readonly digest: Uint8Array; readonly segment: number }[]): Promise<void> {
  if (links.length === 0) return
  await sql`
    insert into content_segment (segment_id, digest)
    select * from unnest(${links.map((link) => link.segment)}::bigint[], ${links.map((link) => link.digest)}::bytea[])
    on conflict do nothing`.execute(tx)
}

async function insertReferences(tx: Tx, contents: Commit['touched']): Promise<void> {
  const held = contents.flatMap(({ digest, reference }) => (reference === null ? [] : [{ digest, reference }]))
  if (held.length > 0) {
    await sql`
      insert into content_reference (kind, id, digest)
      select * from unnest(${held.map((one) => one.reference.kind)}::text[], ${held.map((one) => one.reference.id)}::text[],
        ${held.map((one) => one.digest)}::bytea[])
      on conflict do nothing`.execute(tx)
  }
  const leased = contents.filter((content) => content.reference === null).map((content) => content.digest)
  await insertReviews(tx, leased, leaseHours)
}

/** Contents that nothing holds but a lease: they are looked at when it is over. */
export async function insertReviews(tx: Tx, digests: readonly Uint8Array[], hours: number): Promise<void> {
  if (digests.length === 0) return
  await sql`
    insert into content_review (digest, due_at)
    select distinct d, now() + ${hours} * interval '1 hour' from unnest(${[...digests]}::bytea[]) d order by d
    on conflict do nothing`.execute(tx)
}

/** Of two segments that hold a chunk the one that comes first is found. */
export async function insertChunks(tx: Tx, { hashes, sizes }: Pick<StagedSegment, 'hashes' | 'sizes'>, id: number): Promise<void> {
  if (sizes.length === 0) return
  await sql`
    insert into chunk (hash, segment_id, ordinal)
    select substring(${hashes}::bytea from n * 32 + 1 for 32), ${id}::bigint, n from generate_series(0, ${sizes.length}::int - 1) n order by 1
    on conflict do nothing`.execute(tx)
}

/** In the bucket is what had an intent row; from now on it has its own. */
export async function deleteIntents(tx: Tx, segments: readonly StagedSegment[]): Promise<void> {
  const keys = segments.filter((segment) => segment.tail === null).map((segment) => segmentKey(segment.uuid) as string)
  if (keys.length === 0) return
  const { numDeletedRows } = await tx.deleteFrom('upload_intent').where('key', 'in', keys).executeTakeFirst()
  if (Number(numDeletedRows) !== keys.length) {
    throw new UnavailableError('lease-lost', 'a put took so long that what it had stored was swept; it may be tried again')
  }
}

/** Segments that hold what nothing needs, perhaps. */
export async function reviewSoon(tx: Tx, ids: readonly number[]): Promise<void> {
  await sql`
    update segment set review_at = now() where id = any(${[...ids]}::bigint[]) and (review_at is null or review_at > now())`.execute(tx)
}
