// What a read needs to know: the runs that the range touches, and where their segments are. Two queries, whatever the content's size.
import type { Queries } from '../db/index.ts'
import { sql } from '../db/index.ts'
import type { ReadPlan, SegmentPlace } from './content-reader.ts'
import type { ContentRange } from './content-store.ts'
import { type Digest, digestBytes } from './digest.ts'
import { openRecipe, type Run } from './format/recipe.ts'

export interface PlannedRead {
  readonly sizeBytes: number
  readonly range: ContentRange
  readonly plan: ReadPlan
}

/** Null when there is no such content. RangeError for a range outside of it; CorruptError 'recipe'. */
export async function planRead(db: Queries, digest: Digest, range?: ContentRange): Promise<PlannedRead | null> {
  const row = await db.selectFrom('content').select(['size_bytes', 'recipe']).where('digest', '=', digestBytes(digest)).executeTakeFirst()
  if (row === undefined) return null
  const sizeBytes = row.size_bytes
  const wanted = range ?? { offset: 0, sizeBytes }
  if (!(wanted.offset >= 0 && wanted.sizeBytes >= 0 && wanted.offset + wanted.sizeBytes <= sizeBytes)) {
    throw new RangeError(`bytes ${wanted.offset} to ${wanted.offset + wanted.sizeBytes} of ${sizeBytes}`)
  }
  const { runs, skipBytes } = touched(openRecipe(digestBytes(digest), row.recipe, sizeBytes), wanted)
  const isWhole = wanted.sizeBytes === sizeBytes
  const segments = await readSegments(db, [...new Set(runs.map((run) => run.segment))])
  return { sizeBytes, range: wanted, plan: { runs, segments, skipBytes, sizeBytes: wanted.sizeBytes, digest: isWhole ? digest : null } }
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
