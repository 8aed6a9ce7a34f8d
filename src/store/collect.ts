// Collection: what nothing needs goes, by review. docs/design/content-store.md says why nothing goes that is needed.
// Every step is one transaction that may be done twice, by two nodes at once, or never: then the next run does it.
import { hex } from '../base/index.ts'
import { segmentKey } from '../bucket/index.ts'
import { type Database, type Queries, sql, type Tx } from '../db/index.ts'
import { reviewSoon } from './content-rows.ts'
import { openRecipe } from './format/recipe.ts'
import { deleteWholes } from './whole/delete-wholes.ts'

export interface Collected {
  readonly contents: number
  /** Set draining, for nothing names them. */
  readonly drained: number
  /** Whose rows went; their keys follow. */
  readonly segments: number
}

const contentBatch = 500
const segmentBatch = 50
/** How long a draining segment can still be read. */
export const drainHours = 24

/** One pass over everything that is due, by the database's clock. Stops between batches when the signal says so. */
export async function collect(db: Database, signal?: AbortSignal): Promise<Collected> {
  const all = async (step: () => Promise<{ readonly looked: number; readonly gone: number }>): Promise<number> => {
    let total = 0
    for (;;) {
      signal?.throwIfAborted()
      const { looked, gone } = await step()
      total += gone
      if (looked === 0) return total
    }
  }
  const contents = await all(() => db.transaction(collectContents, { mayRetry: true }))
  const drained = await all(() => db.transaction(reviewSegments, { mayRetry: true }))
  const segments = await all(() => db.transaction(deleteDrained, { mayRetry: true }))
  return { contents, drained, segments }
}

async function collectContents(tx: Tx): Promise<{ looked: number; gone: number }> {
  const due = await tx
    .selectFrom('content_review')
    .select('digest')
    .where('due_at', '<=', sql<Date>`now()`)
    .orderBy('due_at')
    .limit(contentBatch)
    .forUpdate()
    .skipLocked()
    .execute()
  if (due.length === 0) return { looked: 0, gone: 0 }
  const digests = due.map((row) => row.digest)
  // locked first, looked at afterwards: whoever held one in the meantime is seen, or waits and finds it gone
  const locked = await sql<{ digest: Uint8Array; is_leased: boolean }>`
    select digest, leased_until > now() as is_leased from content where digest = any(${digests}::bytea[]) order by digest for update`.execute(
    tx,
  )
  const referenced = await sql<{ digest: Uint8Array }>`
    select distinct digest from content_reference where digest = any(${digests}::bytea[])`.execute(tx)
  const isReferenced = new Set(referenced.rows.map((row) => hex(row.digest)))
  const free = locked.rows.filter((row) => !isReferenced.has(hex(row.digest)))
  const leased = free.filter((row) => row.is_leased).map((row) => row.digest)
  const dead = free.filter((row) => !row.is_leased).map((row) => row.digest)
  // before contents go: what they were made of is noted by their going, also where it is among those that are looked at here
  await sql`
    update content_review set due_at = content.leased_until from content
    where content_review.digest = content.digest and content.digest = any(${leased}::bytea[])`.execute(tx)
  await sql`delete from content_review where digest = any(${digests}::bytea[]) and digest <> all(${leased}::bytea[])`.execute(tx)
  if (dead.length > 0) {
    const { rows } = await sql<{ segment_id: number }>`
      select distinct segment_id from content_segment where digest = any(${dead}::bytea[]) order by segment_id`.execute(tx)
    await deleteWholes(tx, dead, drainHours)
    await sql`delete from content where digest = any(${dead}::bytea[])`.execute(tx)
    await reviewSoon(
      tx,
      rows.map((row) => row.segment_id),
    )
  }
  return { looked: due.length, gone: dead.length }
}

/** Segments that lost something: those that nothing names are set draining, of the others it is noted how much is live. */
async function reviewSegments(tx: Tx): Promise<{ looked: number; gone: number }> {
  const due = await tx
    .selectFrom('segment')
    .select(['id', 'chunk_count'])
    .where('review_at', '<=', sql<Date>`now()`)
    .where('draining_since', 'is', null)
    .orderBy('review_at')
    .limit(segmentBatch)
    .forUpdate()
    .skipLocked()
    .execute()
  let gone = 0
  for (const { id, chunk_count } of due) {
    // under the row's lock: no recipe that names it can be committed meanwhile
    const named = await liveChunks(tx, id, chunk_count)
    if (named === null) {
      gone++
      await drain(tx, [id])
    } else {
      const live_chunks = named.reduce((sum, one) => sum + one, 0)
      await tx.updateTable('segment').set({ live_chunks, review_at: null }).where('id', '=', id).execute()
    }
  }
  return { looked: due.length, gone }
}

/** No recipe names them from now on: they can be read for a day, and nobody finds chunks in them. */
export async function drain(tx: Tx, ids: readonly number[]): Promise<void> {
  await sql`delete from chunk where segment_id = any(${[...ids]}::bigint[])`.execute(tx)
  await sql`update segment set draining_since = now(), review_at = null where id = any(${[...ids]}::bigint[])`.execute(tx)
}

/** A byte for each chunk, 1 where a recipe names it; null when no content rests on the segment. */
export async function liveChunks(db: Queries, id: number, chunkCount: number): Promise<Uint8Array | null> {
  const live = new Uint8Array(chunkCount)
  let after: Uint8Array | null = null
  for (;;) {
    const rows = await recipesOn(db, [id], after, recipeBatch)
    for (const row of rows) {
      for (const run of openRecipe(row.digest, row.recipe, row.size_bytes)) {
        if (run.segment === id) live.fill(1, run.first, run.first + run.count)
      }
    }
    if (rows.length === 0 && after === null) return null
    const last = rows.at(-1)
    if (last === undefined) return live
    after = last.digest
  }
}

/** Recipes are read so many at a time: each may be large. */
const recipeBatch = 50

export interface RecipeRow {
  readonly digest: Uint8Array
  readonly size_bytes: number
  readonly recipe: Uint8Array
}

/** The contents that rest on those segments, ascending by digest. */
export async function recipesOn(db: Queries, ids: readonly number[], after: Uint8Array | null, limit: number): Promise<RecipeRow[]> {
  const { rows } = await sql<RecipeRow>`
    select digest, size_bytes, recipe from content
    where digest in (select digest from content_segment where segment_id = any(${[...ids]}::bigint[])) and recipe is not null
      and (${after}::bytea is null or digest > ${after}::bytea)
    order by digest limit ${limit}`.execute(db)
  return rows
}

async function deleteDrained(tx: Tx): Promise<{ looked: number; gone: number }> {
  const { rows } = await sql<{ uuid: string; is_tail: boolean }>`
    delete from segment where id in (
      select id from segment where draining_since < now() - ${drainHours} * interval '1 hour' order by draining_since limit ${contentBatch} for update skip locked)
    returning uuid, tail is not null as is_tail`.execute(tx)
  const keys = rows.filter((row) => !row.is_tail).map((row) => segmentKey(row.uuid))
  if (keys.length > 0) await sql`insert into key_deletion (key) select unnest(${keys}::text[]) on conflict do nothing`.execute(tx)
  return { looked: rows.length, gone: rows.length }
}
