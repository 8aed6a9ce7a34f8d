// One page of a list, and how many there are in all: asked at once.
import type { SelectQueryBuilder } from './database.ts'

export interface PageRequest {
  /** From 1. */
  readonly page: number
  readonly perPage: number
}

/** @param rows all of the list, in no order @param order puts them in one that leaves no two alike, so that pages neither miss nor repeat */
export async function readPage<DB, TB extends keyof DB, O>(
  rows: SelectQueryBuilder<DB, TB, O>,
  order: (rows: SelectQueryBuilder<DB, TB, O>) => SelectQueryBuilder<DB, TB, O>,
  { page, perPage }: PageRequest,
): Promise<{ readonly found: readonly O[]; readonly total: number }> {
  const [found, { total }] = await Promise.all([
    order(rows)
      .limit(perPage)
      .offset((page - 1) * perPage)
      .execute(),
    rows
      .clearSelect()
      .select((select) => select.fn.countAll<number>().as('total'))
      .executeTakeFirstOrThrow() as Promise<{ readonly total: number }>,
  ])
  return { found: found as readonly O[], total }
}
