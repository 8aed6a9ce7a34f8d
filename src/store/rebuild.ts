// Makes the store's rows again from the bucket alone: segments and where chunks are from their indexes, contents from the recipes in them, whole ones from their footers. What stood in
// PostgreSQL only is gone then: tail segments, and contents whose recipes were nowhere else.
// May be run twice, and beside a running store: it adds rows, corrects those that say something else than the values, and only brings segments back to life
// that were about to go.
import { CorruptError, hex } from '../base/index.ts'
import { type Bucket, type ByteRange, type Key, segmentPrefix } from '../bucket/index.ts'
import { type Database, sql } from '../db/index.ts'
import { insertChunks, insertLinks, insertReviews, lockSegments, recipeBytes } from './content-rows.ts'
import { decodeForms } from './format/forms.ts'
import { decodePortable, type PortableRecipe } from './format/recipe.ts'
import { wrongChunkRows } from './fsck/check-segment.ts'
import { indexStart, SegmentIndex, trailerBytes } from './format/segment.ts'
import { isRight, noteSegments } from './rebuild-links.ts'
import { type Moved, noteMoves, resolve, type Segment } from './rebuild-moves.ts'
import { rebuildWholes } from './rebuild-whole.ts'
import { rebuildOpened } from './opened/rebuild-rows.ts'
import type { PlacedRun } from './placed-runs.ts'

export interface Rebuilt {
  readonly segments: number
  readonly contents: number
  /** Contents that lie in the bucket as they came. */
  readonly wholes: number
  /** Rows that were there and said something else: of segments, of chunks, recipes, and which segments those name. */
  readonly corrected: number
  /** Keys whose index or footer is damaged, and what is wrong with it. */
  readonly damaged: readonly { readonly key: Key; readonly error: CorruptError }[]
  /** Contents whose recipes name chunks that are nowhere, as hex. */
  readonly unresolved: readonly string[]
}

/** So long what was made again is kept without a reference: rooms have to hold it anew. */
const leaseDays = 30

interface MadeSegment {
  readonly segment: Segment
  readonly corrected: number
}

/** All segments of the bucket, then all contents. Holds 4 bytes for each chunk. UnavailableError ends it; it may be run again. */
export async function rebuildStore(db: Database, bucket: Bucket, signal?: AbortSignal): Promise<Rebuilt> {
  const segments = new Map<string, Segment>()
  const moves = new Map<string, Moved[]>()
  const damaged: { key: Key; error: CorruptError }[] = []
  let corrected = 0
  const forms: Uint8Array[] = []
  const homes: { home: Segment; key: Key; range: ByteRange }[] = []
  for await (const found of bucket.list(segmentPrefix, signal)) {
    if (await isOnItsWay(db, found.key)) continue
    try {
      const index = await readIndex(bucket, found.key, found.sizeBytes, signal)
      const uuid = found.key.slice(-36)
      const { segment: home, corrected: rows } = await insertRow(db, uuid, found.sizeBytes, index)
      corrected += rows
      segments.set(uuid, home)
      noteMoves(moves, uuid, index.index.section('MOVE'))
      forms.push(...decodeForms(index.index.section('OPEN')))
      if (index.index.section('CONT').length > 0) homes.push({ home, key: found.key, range: index.range })
    } catch (error) {
      if (!(error instanceof CorruptError)) throw error
      damaged.push({ key: found.key, error })
    }
  }
  let contents = 0
  const done = new Set<string>()
  const failed = new Set<string>()
  for (const { home, key, range } of homes) {
    const index = new SegmentIndex(await bucket.get(key, range, signal))
    for (const recipe of decodePortable(index.section('CONT'))) {
      const digest = hex(recipe.digest)
      if (done.has(digest)) continue
      const runs = resolve(recipe, segments, moves)
      const outcome = runs === null ? 'lost' : await insertContent(db, recipe, runs, home)
      if (outcome === 'made') contents++
      if (outcome === 'corrected') corrected++
      if (outcome === 'lost') failed.add(digest)
      else done.add(digest)
    }
  }
  corrected += await noteSegments(db, signal)
  const wholes = await rebuildWholes(db, bucket, leaseDays, signal)
  damaged.push(...wholes.damaged)
  const opened = await rebuildOpened(db, forms, leaseDays, signal)
  corrected += opened.corrected
  return {
    segments: segments.size,
    contents: contents + opened.contents,
    wholes: wholes.contents,
    corrected,
    damaged,
    unresolved: [...failed].filter((digest) => !done.has(digest)),
  }
}

/** Being written, or about to be deleted: a put or the sweeper knows of it. */
async function isOnItsWay(db: Database, key: Key): Promise<boolean> {
  const { rows } = await sql`
    select 1 from upload_intent where key = ${key} union all select 1 from key_deletion where key = ${key}`.execute(db.queries)
  return rows.length > 0
}

async function readIndex(
  bucket: Bucket,
  key: Key,
  sizeBytes: number,
  signal?: AbortSignal,
): Promise<{ index: SegmentIndex; range: ByteRange }> {
  if (sizeBytes < trailerBytes) throw new CorruptError('segment-index', `${key} is too short`)
  const trailer = await bucket.get(key, { offset: sizeBytes - trailerBytes, sizeBytes: trailerBytes }, signal)
  const indexBytes = sizeBytes - indexStart(trailer)
  if (indexBytes < trailerBytes) throw new CorruptError('segment-index', `${key} has an index outside of it`)
  const range = { offset: sizeBytes - indexBytes, sizeBytes: indexBytes }
  return { index: new SegmentIndex(await bucket.get(key, range, signal)), range }
}

async function insertRow(
  db: Database,
  uuid: string,
  sizeBytes: number,
  { index, range }: { readonly index: SegmentIndex; readonly range: ByteRange },
): Promise<MadeSegment> {
  const sizes = Uint32Array.from({ length: index.chunkCount }, (_, ordinal) => index.size(ordinal))
  return db.transaction(
    async (tx) => {
      const { rows: old } = await sql<{ id: number; draining: boolean; right: boolean }>`
        select id::float8 as id, draining_since is not null as draining,
          (size_bytes, index_bytes, chunk_count) = (${sizeBytes}, ${range.sizeBytes}, ${index.chunkCount}) as right
        from segment where uuid = ${uuid}::uuid for update`.execute(tx)
      if (old[0] !== undefined) {
        const { id, draining, right } = old[0]
        if (!right) {
          await sql`update segment set size_bytes = ${sizeBytes}, index_bytes = ${range.sizeBytes}, chunk_count = ${index.chunkCount} where id = ${id}`.execute(
            tx,
          )
        }
        const wrong = await wrongChunkRows(tx, id, index.hashes)
        if (wrong.length > 0) await sql`delete from chunk where segment_id = ${id} and hash = any(${wrong}::bytea[])`.execute(tx)
        // nobody is to find chunks in what is about to go
        if (!draining) await insertChunks(tx, { hashes: index.hashes, sizes }, id)
        return { segment: { uuid, id, sizes }, corrected: wrong.length + (right ? 0 : 1) }
      }
      const { rows } = await sql<{ id: number }>`
        insert into segment (uuid, size_bytes, index_bytes, chunk_count, review_at)
        values (${uuid}::uuid, ${sizeBytes}, ${range.sizeBytes}, ${index.chunkCount}, now() + interval '1 day') returning id`.execute(tx)
      const id = (rows[0] as { id: number }).id
      await insertChunks(tx, { hashes: index.hashes, sizes }, id)
      return { segment: { uuid, id, sizes }, corrected: 0 }
    },
    { mayRetry: true },
  )
}

/** `there`: the content had a row; `corrected`: a damaged one; `lost`: a segment that it rests on went meanwhile. One that was draining is live again, as after a put. */
async function insertContent(
  db: Database,
  { digest, sizeBytes }: PortableRecipe,
  runs: readonly PlacedRun[],
  home: Segment,
): Promise<'made' | 'corrected' | 'there' | 'lost'> {
  return db.transaction(
    async (tx) => {
      const there = await tx.selectFrom('content').select(['recipe', 'size_bytes']).where('digest', '=', digest).executeTakeFirst()
      if (there !== undefined && isRight(digest, there.recipe, there.size_bytes)) return 'there'
      const uuids = [...new Set([...runs.map((run) => run.uuid), home.uuid])]
      const ids = await lockSegments(tx, uuids)
      if (ids.size < uuids.length) return 'lost'
      const { rows } = await sql`
        insert into content (digest, size_bytes, recipe, leased_until)
        values (${digest}, ${sizeBytes}, ${recipeBytes({ digest, runs }, ids)}, now() + ${leaseDays} * interval '1 day')
        on conflict (digest) do update set size_bytes = excluded.size_bytes, recipe = excluded.recipe where content.recipe is not distinct from ${there?.recipe ?? null}::bytea returning 1`.execute(
        tx,
      )
      if (rows.length === 0) return 'there'
      await insertLinks(
        tx,
        [...ids.values()].map((segment) => ({ digest, segment })),
      )
      await insertReviews(tx, [digest], leaseDays * 24)
      return there === undefined ? 'made' : 'corrected'
    },
    { mayRetry: true },
  )
}
