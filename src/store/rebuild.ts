// Makes the store's rows again from the bucket alone: segments from their indexes, contents from the recipes in them. What stood in PostgreSQL only is
// gone then: tail segments, and contents whose recipes were nowhere else.
// May be run twice, and beside a running store: it adds rows and changes none.
import { asBuffer, CorruptError } from '../base/index.ts'
import { type Bucket, type Key, segmentPrefix } from '../bucket/index.ts'
import { type Database, sql } from '../db/index.ts'
import { insertChunks, insertLinks, insertReviews } from './content-rows.ts'
import { addRun, decodePortable, type PortableRecipe, type Run, sealRecipe } from './format/recipe.ts'
import { decodeMoves, indexStart, SegmentIndex, trailerBytes } from './format/segment.ts'
import { uuidText } from './segment-writer.ts'

export interface Rebuilt {
  readonly segments: number
  readonly contents: number
  /** Keys whose index is damaged, and what is wrong with it. */
  readonly damaged: readonly { readonly key: Key; readonly error: CorruptError }[]
  /** Contents whose recipes name chunks that are nowhere, as hex. */
  readonly unresolved: readonly string[]
}

/** So long what was made again is kept without a reference: rooms have to hold it anew. */
const leaseDays = 30

interface Segment {
  readonly id: number
  readonly sizes: Uint32Array
}

interface Moved {
  readonly first: number
  readonly count: number
  readonly to: string
  readonly here: number
}

/** All segments of the bucket, then all contents. Holds 4 bytes for each chunk. UnavailableError ends it; it may be run again. */
export async function rebuildStore(db: Database, bucket: Bucket, signal?: AbortSignal): Promise<Rebuilt> {
  const segments = new Map<string, Segment>()
  const moves = new Map<string, Moved[]>()
  const damaged: { key: Key; error: CorruptError }[] = []
  const keys: { key: Key; sizeBytes: number }[] = []
  for await (const found of bucket.list(segmentPrefix, signal)) {
    if (await isOnItsWay(db, found.key)) continue
    try {
      const index = await readIndex(bucket, found.key, found.sizeBytes, signal)
      const uuid = found.key.slice(-36)
      segments.set(uuid, await insertRow(db, uuid, found.sizeBytes, index))
      noteMoves(moves, uuid, index.index.section('MOVE'))
      keys.push(found)
    } catch (error) {
      if (!(error instanceof CorruptError)) throw error
      damaged.push({ key: found.key, error })
    }
  }
  let contents = 0
  const done = new Set<string>()
  const failed = new Set<string>()
  for (const { key, sizeBytes } of keys) {
    const { index } = await readIndex(bucket, key, sizeBytes, signal)
    for (const recipe of decodePortable(index.section('CONT'))) {
      const digest = asBuffer(recipe.digest).toString('hex')
      if (done.has(digest)) continue
      const runs = resolve(recipe, segments, moves)
      if (runs === null) {
        failed.add(digest)
        continue
      }
      done.add(digest)
      failed.delete(digest)
      const home = segments.get(key.slice(-36)) as Segment
      if (await insertContent(db, recipe, runs, home.id)) contents++
    }
  }
  return { segments: segments.size, contents, damaged, unresolved: [...failed].filter((digest) => !done.has(digest)) }
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
): Promise<{ index: SegmentIndex; indexBytes: number }> {
  if (sizeBytes < trailerBytes) throw new CorruptError('segment-index', `${key} is too short`)
  const trailer = await bucket.get(key, { offset: sizeBytes - trailerBytes, sizeBytes: trailerBytes }, signal)
  const indexBytes = sizeBytes - indexStart(trailer)
  if (indexBytes < trailerBytes) throw new CorruptError('segment-index', `${key} has an index outside of it`)
  const bytes = await bucket.get(key, { offset: sizeBytes - indexBytes, sizeBytes: indexBytes }, signal)
  return { index: new SegmentIndex(bytes), indexBytes }
}

async function insertRow(
  db: Database,
  uuid: string,
  sizeBytes: number,
  { index, indexBytes }: { readonly index: SegmentIndex; readonly indexBytes: number },
): Promise<Segment> {
  const sizes = Uint32Array.from({ length: index.chunkCount }, (_, ordinal) => index.size(ordinal))
  return db.transaction(
    async (tx) => {
      const { rows: old } = await sql<{ id: number }>`select id from segment where uuid = ${uuid}::uuid`.execute(tx)
      if (old[0] !== undefined) return { id: old[0].id, sizes }
      const { rows } = await sql<{ id: number }>`
        insert into segment (uuid, size_bytes, index_bytes, chunk_count, review_at)
        values (${uuid}::uuid, ${sizeBytes}, ${indexBytes}, ${index.chunkCount}, now() + interval '1 day') returning id`.execute(tx)
      const id = (rows[0] as { id: number }).id
      await insertChunks(tx, { hashes: index.hashes, sizes }, id)
      return { id, sizes }
    },
    { mayRetry: true },
  )
}

function noteMoves(moves: Map<string, Moved[]>, to: string, section: Uint8Array): void {
  for (const { uuid, ...moved } of decodeMoves(section)) {
    const from = uuidText(uuid)
    const known = moves.get(from)
    if (known === undefined) moves.set(from, [{ ...moved, to }])
    else known.push({ ...moved, to })
  }
}

/** The recipe's chunks where they are now; null when one of them is nowhere. */
function resolve(
  recipe: PortableRecipe,
  segments: ReadonlyMap<string, Segment>,
  moves: ReadonlyMap<string, readonly Moved[]>,
): Run[] | null {
  const runs: Run[] = []
  const uuids = recipe.uuids.map(uuidText)
  for (const run of recipe.runs) {
    const uuid = uuids[run.segment] as string
    const there = segments.get(uuid)
    if (there !== undefined) {
      addRun(runs, { ...run, segment: there.id })
      continue
    }
    for (let ordinal = run.first; ordinal < run.first + run.count; ordinal++) {
      const place = follow(uuid, ordinal, segments, moves)
      if (place === null) return null
      addRun(runs, place)
    }
  }
  const sizeBytes = runs.reduce((sum, run) => sum + run.sizeBytes, 0)
  return sizeBytes === recipe.sizeBytes ? runs : null
}

/** Where a chunk went: compaction carries on what the segments that it empties say of others, so that one step is enough. */
function follow(
  uuid: string,
  ordinal: number,
  segments: ReadonlyMap<string, Segment>,
  moves: ReadonlyMap<string, readonly Moved[]>,
): Run | null {
  for (const moved of moves.get(uuid) ?? []) {
    if (ordinal < moved.first || ordinal >= moved.first + moved.count) continue
    const here = moved.here + ordinal - moved.first
    const segment = segments.get(moved.to)
    const sizeBytes = segment?.sizes[here]
    const place = segment === undefined || sizeBytes === undefined ? null : { segment: segment.id, first: here, count: 1, sizeBytes }
    if (place !== null) return place
  }
  return null
}

/** False when the content had a row. */
async function insertContent(db: Database, recipe: PortableRecipe, runs: readonly Run[], home: number): Promise<boolean> {
  return db.transaction(
    async (tx) => {
      const { rows } = await sql`
        insert into content (digest, size_bytes, recipe, leased_until)
        values (${recipe.digest}, ${recipe.sizeBytes}, ${sealRecipe(recipe.digest, runs)}, now() + ${leaseDays} * interval '1 day')
        on conflict do nothing returning 1`.execute(tx)
      if (rows.length === 0) return false
      const ids = new Set([...runs.map((run) => run.segment), home])
      await insertLinks(
        tx,
        [...ids].map((segment) => ({ digest: recipe.digest, segment })),
      )
      await insertReviews(tx, [recipe.digest], leaseDays * 24)
      return true
    },
    { mayRetry: true },
  )
}
