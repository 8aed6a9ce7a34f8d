// Which contents rest on chunks of a segment, and who holds those contents.
import { CorruptError } from '../../base/index.ts'
import { type Queries, sql } from '../../db/index.ts'
import { recipesOn, type RecipeRow } from '../collect.ts'
import { type Digest, digestOf } from '../digest.ts'
import { openRecipe } from '../format/recipe.ts'
import type { ContentDependents } from './content-finding.ts'

const recipeBatch = 50
const namedContents = 10
const namedReferences = 20

/**
 * Of chunks `first` … `end − 1`. Looks at every recipe that names the segment: only for what is wrong.
 * @param all gets every one of them
 */
export async function dependentsOf(
  queries: Queries,
  segmentId: number,
  [first, end]: readonly [number, number],
  all: Set<Digest>,
): Promise<ContentDependents> {
  const digests: Uint8Array[] = []
  let after: Uint8Array | null = null
  for (;;) {
    const rows: RecipeRow[] = await recipesOn(queries, [segmentId], after, recipeBatch)
    for (const row of rows) if (restsOn(row, segmentId, first, end)) digests.push(row.digest)
    const last = rows.at(-1)
    if (last === undefined) break
    after = last.digest
  }
  for (const digest of digests) all.add(digestOf(digest))
  return await holdersOf(queries, digests)
}

/** Who holds them. */
export async function holdersOf(queries: Queries, digests: readonly Uint8Array[]): Promise<ContentDependents> {
  const held = sql`from content_reference where digest = any(${[...digests]}::bytea[])`
  const { rows } = await sql<{ kind: string; id: string; digest: Buffer; total: number }>`
    select kind, id, digest, count(*) over ()::float8 as total ${held} order by kind, id, digest limit ${namedReferences}`.execute(queries)
  return {
    contents: digests.slice(0, namedContents).map(digestOf),
    contentCount: digests.length,
    references: rows.map(({ kind, id, digest }) => ({ kind, id, digest: digestOf(digest) })),
    referenceCount: rows[0]?.total ?? 0,
  }
}

/** A damaged recipe may. */
function restsOn({ digest, recipe, size_bytes }: RecipeRow, segmentId: number, first: number, end: number): boolean {
  try {
    return openRecipe(digest, recipe, size_bytes).some(
      (run) => run.segment === segmentId && run.first < end && run.first + run.count > first,
    )
  } catch (error) {
    if (error instanceof CorruptError) return true
    throw error
  }
}
