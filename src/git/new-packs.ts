// What came since somebody looked last, by the ids of packs: for background work that must not look at all of them, nor at too many by one statement.
import { type Database, type RawBuilder, sql } from '../db/index.ts'

/** Ids that one statement looks at: what it does for each takes some ten microseconds, and statements end after 30 s. */
const rangeIds = 100_000

/** The id of the newest pack; 0: there is none. */
export async function newestPack({ queries }: Database): Promise<number> {
  const { rows } = await sql<{ id: number }>`select coalesce(max(id), 0)::float8 as id from pack`.execute(queries)
  return rows[0]?.id ?? 0
}

/** SQL: a pack is newer than that. Asked often; whatever the planner believes of the id, it goes to the end of the index. */
export function isPackAbove(id: number | RawBuilder<unknown>): RawBuilder<boolean> {
  return sql<boolean>`coalesce((select max(id) from pack), 0) > ${id}`
}

/** Conditions on `pack.id` that together say: above `after`. */
export function* packRanges(after: number, newest: number): Generator<RawBuilder<boolean>> {
  let from = after
  for (; from + rangeIds < newest; from += rangeIds) yield sql<boolean>`id > ${from} and id <= ${from + rangeIds}`
  yield sql<boolean>`id > ${from}`
}
