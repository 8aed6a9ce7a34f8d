// Compaction: what is live of small and sparse segments is written into one new segment; then one transaction changes the recipes.
// Invariant: the transaction holds the old segments' rows and finds their contents as planned, or nothing is changed.
import { equalBytes, MessageStream, type WorkerPool } from '../base/index.ts'
import { type Database, isCommitUnknown, sql, type Tx } from '../db/index.ts'
import { answering } from './asking.ts'
import { drain, type RecipeRow, recipesOn } from './collect.ts'
import { chooseBatch } from './compact-choice.ts'
import { moveOrder } from './compact-order.ts'
import { type CompactJob, type CompactJobResult, noOrdinal } from './compact-job.ts'
import type { SegmentPlace } from './content-reader.ts'
import { deleteIntents, insertLinks, insertSegment, segmentUuids } from './content-rows.ts'
import { digestOf } from './digest.ts'
import { addRun, openRecipe, type PortableRecipe, type Run, sealRecipe } from './format/recipe.ts'
import { type Block, decodeMoves, type Move } from './format/segment.ts'
import { decodeForm } from './opened/format/opened-form.ts'
import { portable } from './placed-runs.ts'
import { readSegments } from './plan-chunks.ts'
import { discardSegment, type SegmentParts, SegmentWriter, type StagedSegment, uuidBytes } from './segment-writer.ts'
import { segmentBytes } from './sizes.ts'

export interface CompactParts extends SegmentParts {
  readonly workers: WorkerPool
}

/** What may go into another segment: tails, those that are smaller than half of what a segment may have, and those of which less than half is live. */
const smallBytes = segmentBytes / 2
const mostSegments = 2000

/** A segment that is to be emptied. */
interface Source extends SegmentPlace {
  readonly chunkCount: number
}

/** Contents of one batch: what the plan was made for. */
interface Plan {
  readonly sources: readonly Source[]
  readonly live: readonly Uint8Array[]
  readonly recipes: readonly RecipeRow[]
  /** In which order the chunks are moved: moveOrder's. */
  readonly order: Uint32Array
}

/** Where chunks of old segments stand in the new one, by ordinal. */
type Places = ReadonlyMap<number, Uint32Array>

interface Moved {
  readonly places: Places
  /** Of the new segment's chunks, by ordinal. */
  readonly sizes: Uint32Array
  /** The new segment's id, or 0 while it has none. */
  readonly to: number
}

/** Compacts one batch; false when there is nothing that is worth it, or its contents changed meanwhile. */
export async function compactOnce(parts: CompactParts): Promise<boolean> {
  const sources = await chooseSources(parts.db)
  if (sources.length === 0) return false
  const plan = await makePlan(parts.db, sources)
  const writer = await SegmentWriter.begin(parts)
  let staged: StagedSegment
  let places: Places
  try {
    const result = await rewrite(parts, plan, writer)
    places = new Map(sources.map((source, at) => [source.id, result.places[at] ?? new Uint32Array()]))
    const moved = { places, sizes: writer.sizes, to: 0 }
    staged = await writer.complete(await homes(parts.db, plan, result, moved, writer.uuid), movesOf(sources, result), formsOf(plan, result))
  } catch (error) {
    await writer.abort()
    throw error
  }
  const isDone = await parts.db
    .transaction((tx) => exchange(tx, plan, places, staged), { mayRetry: true })
    .catch(async (error: unknown) => {
      if (!isCommitUnknown(error)) await discardSegment(parts, staged.uuid)
      throw error
    })
  if (!isDone) await discardSegment(parts, staged.uuid)
  return isDone
}

async function chooseSources(db: Database): Promise<Source[]> {
  const rows = await db.queries
    .selectFrom('segment')
    .select(['id', 'size_bytes', 'chunk_count', 'live_chunks', sql<boolean>`tail is not null`.as('is_tail')])
    .where('draining_since', 'is', null)
    .where(sql<boolean>`(size_bytes < ${sql.lit(smallBytes)} or live_chunks * 2 < chunk_count)`) // literally what an index is for
    .orderBy(sql`tail is null`)
    .orderBy('id')
    .limit(mostSegments)
    .execute()
  const chosen = chooseBatch(rows)
  // only now their bytes: there may be many more tails than one segment takes
  const places = await readSegments(
    db.queries,
    chosen.map((row) => row.id),
  )
  const byId = new Map(places.map((place) => [place.id, place]))
  return chosen.flatMap(({ id, chunk_count: chunkCount }) => {
    const place = byId.get(id)
    return place === undefined ? [] : [{ ...place, chunkCount }]
  })
}

async function makePlan(db: Database, sources: readonly Source[]): Promise<Plan> {
  const recipes = await allRecipes(db.queries, sources)
  const live = sources.map((source) => new Uint8Array(source.chunkCount))
  const at = new Map(sources.map((source, n) => [source.id, live[n] as Uint8Array]))
  const contents = recipes.map((row) => openRecipe(row.digest, row.recipe, row.size_bytes))
  for (const run of contents.flat()) at.get(run.segment)?.fill(1, run.first, run.first + run.count)
  const order = moveOrder(
    sources.map((source) => source.id),
    contents,
  )
  return { sources, live, recipes, order }
}

function allRecipes(db: Parameters<typeof recipesOn>[0], sources: readonly Source[]): Promise<RecipeRow[]> {
  return recipesOn(
    db,
    sources.map((source) => source.id),
    null,
    2 ** 31 - 1,
  )
}

/** A worker reads, checks and packs; its blocks go into the writer. */
async function rewrite(parts: CompactParts, { sources, live, order }: Plan, writer: SegmentWriter): Promise<CompactJobResult> {
  return answering({ block: (block: Block) => writer.append(block) }, (asking) =>
    parts.workers.run('compact', { segments: sources, live, order, asking } satisfies CompactJob, [asking], (port) =>
      new MessageStream<CompactJobResult>(port).message(),
    ),
  )
}

/** Recipes that stood in the old segments, as they will be. */
async function homes(db: Database, plan: Plan, result: CompactJobResult, moved: Moved, uuid: string): Promise<PortableRecipe[]> {
  const digests = new Set(result.digests)
  const homeless = plan.recipes.filter((row) => digests.has(digestOf(row.digest)))
  const recipes = homeless.map((row) => ({ row, runs: moveRuns(row, moved) }))
  const ids = new Set(recipes.flatMap(({ runs }) => runs.map((run) => run.segment)))
  const uuids = await segmentUuids(db.queries, [...ids])
  uuids.set(moved.to, uuid)
  return recipes.map(({ row, runs }) => {
    const placed = runs.map(({ segment, ...run }) => ({ uuid: uuids.get(segment) ?? uuid, ...run }))
    return portable(digestOf(row.digest), row.size_bytes, placed)
  })
}

/** Forms that stood in the old segments, of contents whose parts are still there. */
function formsOf({ recipes }: Plan, { forms }: CompactJobResult): Uint8Array[] {
  const there = new Set(recipes.map((row) => digestOf(row.digest)))
  return forms.filter((form) => there.has(decodeForm(form).inner))
}

function moveRuns(row: RecipeRow, { places, sizes, to }: Moved): Run[] {
  const runs: Run[] = []
  for (const run of openRecipe(row.digest, row.recipe, row.size_bytes)) {
    const place = places.get(run.segment)
    if (place === undefined) {
      addRun(runs, run)
      continue
    }
    for (let ordinal = run.first; ordinal < run.first + run.count; ordinal++) {
      const first = place[ordinal]
      const sizeBytes = first === undefined ? undefined : sizes[first]
      if (first === undefined || sizeBytes === undefined) throw new RangeError(`chunk ${ordinal} of segment ${run.segment} was not moved`)
      addRun(runs, { segment: to, first, count: 1, sizeBytes })
    }
  }
  return runs
}

/** Where chunks came from, and where those had come from before: recipes that stand in other segments may name either place. */
function movesOf(sources: readonly Source[], result: CompactJobResult): Move[] {
  return sources.flatMap((source, at) => {
    const place = result.places[at] ?? new Uint32Array()
    const own: Move = { uuid: uuidBytes(source.uuid), first: 0, count: place.length, here: 0 }
    return [own, ...decodeMoves(result.moves[at] ?? new Uint8Array())].flatMap((move) => throughPlaces(move, place))
  })
}

/** A move into a segment that was emptied, as moves into the new one; what nobody needs is left out. */
function throughPlaces({ uuid, first, count, here }: Move, place: Uint32Array): Move[] {
  const moves: Move[] = []
  for (let n = 0; n < count; ) {
    const to = place[here + n] ?? noOrdinal
    let run = 1
    while (n + run < count && to !== noOrdinal && place[here + n + run] === to + run) run++
    if (to !== noOrdinal) moves.push({ uuid, first: first + n, count: run, here: to })
    n += run
  }
  return moves
}

/** Changes the recipes; false when the old segments or what rests on them aren't as planned. */
async function exchange(tx: Tx, plan: Plan, places: Places, staged: StagedSegment): Promise<boolean> {
  const ids = plan.sources.map((source) => source.id)
  const locked = await sql<{ id: number }>`
    select id from segment where id = any(${ids}::bigint[]) and draining_since is null order by id for update`.execute(tx)
  if (locked.rows.length !== ids.length) return false
  const now = await allRecipes(tx, plan.sources)
  const planned = new Map(plan.recipes.map((row) => [digestOf(row.digest), row]))
  for (const row of now) {
    const before = planned.get(digestOf(row.digest))
    if (before === undefined || !equalBytes(before.recipe, row.recipe)) return false
  }
  const to = await insertSegment(tx, staged)
  const moved: Moved = { places, sizes: staged.sizes, to }
  const recipes = now.map((row) => sealRecipe(row.digest, moveRuns(row, moved)))
  const digests = now.map((row) => row.digest)
  await sql`
    update content set recipe = new.r from unnest(${digests}::bytea[], ${recipes}::bytea[]) as new (d, r) where content.digest = new.d`.execute(
    tx,
  )
  await insertLinks(
    tx,
    digests.map((digest) => ({ digest, segment: to })),
  )
  await sql`delete from content_segment where segment_id = any(${ids}::bigint[])`.execute(tx)
  for (const id of ids) await moveChunks(tx, id, to, places.get(id) ?? new Uint32Array())
  await drain(tx, ids)
  await deleteIntents(tx, [staged])
  return true
}

/** What was moved is found in the new segment from now on. */
async function moveChunks(tx: Tx, from: number, to: number, place: Uint32Array): Promise<void> {
  const old = [...place.keys()].filter((ordinal) => place[ordinal] !== noOrdinal)
  await sql`
    update chunk set segment_id = ${to}::bigint, ordinal = moved.new
    from unnest(${old}::int[], ${old.map((ordinal) => place[ordinal] as number)}::int[]) as moved (old, new)
    where chunk.segment_id = ${from}::bigint and chunk.ordinal = moved.old`.execute(tx)
}
