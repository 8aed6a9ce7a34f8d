// Makes the store's rows again from the bucket alone: segments and where chunks are from their indexes, contents from the recipes in them, whole ones from their footers. What stood in
// PostgreSQL only is gone then: tail segments, and contents whose recipes were nowhere else.
// May be run twice, and beside a running store: it adds rows, corrects those that say something else than the values, and only brings segments back to life
// that were about to go.
import { CorruptError, equalBytes, hex } from '../base/index.ts'
import { type Bucket, type ByteRange, type Key, segmentPrefix } from '../bucket/index.ts'
import { type Database, sql } from '../db/index.ts'
import { insertChunks, insertLinks, insertReviews, lockSegments, recipeBytes } from './content-rows.ts'
import { decodeForms } from './format/forms.ts'
import { decodePortable, openRecipe, type PortableRecipe } from './format/recipe.ts'
import { wrongChunkRows } from './fsck/check-segment.ts'
import { decodeMoves, indexStart, SegmentIndex, trailerBytes } from './format/segment.ts'
import { rebuildWholes } from './rebuild-whole.ts'
import { rebuildOpened } from './opened/rebuild-rows.ts'
import { uuidText } from './segment-writer.ts'
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

interface Segment {
  readonly uuid: string
  readonly id: number
  readonly sizes: Uint32Array
}

interface MadeSegment {
  readonly segment: Segment
  readonly corrected: number
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
): PlacedRun[] | null {
  const runs: PlacedRun[] = []
  const uuids = recipe.uuids.map(uuidText)
  for (const { segment, ...run } of recipe.runs) {
    const uuid = uuids[segment] as string
    if (segments.has(uuid)) {
      runs.push({ uuid, ...run })
      continue
    }
    for (let ordinal = run.first; ordinal < run.first + run.count; ordinal++) {
      const place = follow(uuid, ordinal, segments, moves)
      if (place === null) return null
      runs.push(place)
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
): PlacedRun | null {
  for (const { first, count, to, here } of moves.get(uuid) ?? []) {
    if (ordinal < first || ordinal >= first + count) continue
    const place = here + ordinal - first
    const sizeBytes = segments.get(to)?.sizes[place]
    if (sizeBytes !== undefined) return { uuid: to, first: place, count: 1, sizeBytes }
  }
  return null
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

function isRight(digest: Uint8Array, recipe: Uint8Array | null, sizeBytes: number): boolean {
  if (recipe === null) return false
  try {
    openRecipe(digest, recipe, sizeBytes)
    return true
  } catch (error) {
    if (error instanceof CorruptError) return false
    throw error
  }
}

const contentBatch = 500

interface NotedContent {
  readonly digest: Buffer
  readonly recipe: Buffer
  readonly size_bytes: number
  readonly noted: number[]
}

/** Every content's segments are noted as such, or they would be collected. How many contents lacked one. */
async function noteSegments(db: Database, signal?: AbortSignal): Promise<number> {
  let corrected = 0
  let after: Uint8Array = new Uint8Array()
  for (;;) {
    signal?.throwIfAborted()
    const { rows } = await sql<NotedContent>`
      select digest, recipe, size_bytes::float8 as size_bytes,
        array(select segment_id::float8 from content_segment s where s.digest = content.digest) as noted
      from content where digest > ${after}::bytea and recipe is not null order by digest limit ${contentBatch}`.execute(db.queries)
    const last = rows.at(-1)
    if (last === undefined) return corrected
    after = last.digest
    for (const row of rows) {
      if (!isRight(row.digest, row.recipe, row.size_bytes)) continue
      const named = new Set(openRecipe(row.digest, row.recipe, row.size_bytes).map((run) => run.segment))
      const missing = [...named].filter((id) => !row.noted.includes(id))
      if (missing.length > 0 && (await note(db, row, missing))) corrected++
    }
  }
}

/** False where the recipe has changed since, or a segment is gone. */
async function note(db: Database, { digest, recipe }: NotedContent, ids: readonly number[]): Promise<boolean> {
  return db.transaction(
    async (tx) => {
      const { rows } = await sql<{ uuid: string }>`select uuid from segment where id = any(${[...ids]}::bigint[])`.execute(tx)
      const locked = await lockSegments(
        tx,
        rows.map((row) => row.uuid),
      )
      const now = await tx.selectFrom('content').select('recipe').where('digest', '=', digest).forShare().executeTakeFirst()
      if (locked.size < ids.length || !now?.recipe || !equalBytes(now.recipe, recipe)) return false
      await insertLinks(
        tx,
        ids.map((segment) => ({ digest, segment })),
      )
      return true
    },
    { mayRetry: true },
  )
}
