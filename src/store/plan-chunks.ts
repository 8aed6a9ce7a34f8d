// What reading a content's chunks needs to know: the runs that the range touches, and where their segments are.
import { type Queries, sql } from '../db/index.ts'
import type { ReadPlan, SegmentPlace } from './content-reader.ts'
import type { ContentRange } from './content-store.ts'
import { type Digest, digestBytes } from './digest.ts'
import { openRecipe, type Run } from './format/recipe.ts'

/** How to read a range of content out of its chunks. CorruptError 'recipe'. */
export async function planChunks(
  db: Queries,
  { digest, sizeBytes, recipe }: { readonly digest: Digest; readonly sizeBytes: number; readonly recipe: Uint8Array },
  wanted: ContentRange,
): Promise<ReadPlan> {
  const { runs, skipBytes } = touched(openRecipe(digestBytes(digest), recipe, sizeBytes), wanted)
  const isWhole = wanted.sizeBytes === sizeBytes
  const segments = await readSegments(db, [...new Set(runs.map((run) => run.segment))])
  return { runs, segments, skipBytes, sizeBytes: wanted.sizeBytes, digest: isWhole ? digest : null }
}

/** The chunks of a content alone, also where it is whole, too; all of them, or a range. Null: there is none such. CorruptError 'recipe'. */
export async function planRecipe(db: Queries, digest: Digest, range?: ContentRange): Promise<ReadPlan | null> {
  const row = await db.selectFrom('content').select(['size_bytes', 'recipe']).where('digest', '=', digestBytes(digest)).executeTakeFirst()
  if (row === undefined || row.recipe === null) return null
  const { recipe, size_bytes: sizeBytes } = row
  return planChunks(db, { digest, sizeBytes, recipe }, range ?? { offset: 0, sizeBytes })
}

/** Several ranges of a content's chunks, by one look at its recipe. Null: there is none such. CorruptError 'recipe'. */
export async function planRanges(db: Queries, digest: Digest, ranges: readonly ContentRange[]): Promise<ReadPlan[] | null> {
  const row = await db.selectFrom('content').select(['size_bytes', 'recipe']).where('digest', '=', digestBytes(digest)).executeTakeFirst()
  if (row === undefined || row.recipe === null) return null
  const all = openRecipe(digestBytes(digest), row.recipe, row.size_bytes)
  const parts = ranges.map((range) => ({ ...touched(all, range), sizeBytes: range.sizeBytes, digest: null }))
  const named = (runs: readonly Run[]) => new Set(runs.map((run) => run.segment))
  const segments = await readSegments(db, [...named(parts.flatMap(({ runs }) => runs))])
  return parts.map((part) => {
    const own = named(part.runs)
    return { ...part, segments: segments.filter(({ id }) => own.has(id)) }
  })
}

/** Rows of segments; those that are gone are left out. */
export async function readSegments(db: Queries, ids: readonly number[]): Promise<SegmentPlace[]> {
  if (ids.length === 0) return []
  const rows = await db
    .selectFrom('segment')
    .select(['id', 'uuid', 'size_bytes', 'index_bytes', 'tail'])
    .where('id', '=', sql<number>`any(${[...ids]}::bigint[])`)
    .execute()
  return rows.map((row) => ({ id: row.id, uuid: row.uuid, sizeBytes: row.size_bytes, indexBytes: row.index_bytes, tail: row.tail }))
}

/** The runs that have bytes of the range, and how many bytes the first of them has before it. */
function touched(all: readonly Run[], { offset, sizeBytes }: ContentRange): { runs: Run[]; skipBytes: number } {
  const runs: Run[] = []
  let skipBytes = 0
  let at = 0
  for (const run of all) {
    const isIn = at + run.sizeBytes > offset && at < offset + sizeBytes
    if (isIn && runs.length === 0) skipBytes = offset - at
    if (isIn) runs.push(run)
    at += run.sizeBytes
  }
  return { runs, skipBytes }
}
