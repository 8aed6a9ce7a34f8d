// Makes rows again that say which segments a content rests on, out of the contents' recipes.
import { CorruptError, equalBytes } from '../base/index.ts'
import { type Database, sql } from '../db/index.ts'
import { insertLinks, lockSegments } from './content-rows.ts'
import { openRecipe } from './format/recipe.ts'

/** Whether a recipe can be read at all. */
export function isRight(digest: Uint8Array, recipe: Uint8Array | null, sizeBytes: number): boolean {
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
export async function noteSegments(db: Database, signal?: AbortSignal): Promise<number> {
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
