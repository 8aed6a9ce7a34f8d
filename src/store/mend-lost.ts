// Contents whose whole copies are lost, and whose bytes were put again in chunks: these take the copies' place.
import { sql, type Tx } from '../db/index.ts'
import { type Digest, digestOf } from './digest.ts'
import { isLost } from './whole/damaged.ts'
import { deleteWholes } from './whole/delete-wholes.ts'

/**
 * Gives a recipe to those of the contents that are lost still; which. The transaction has locked their rows.
 * @param hours what there is of the lost copies can be read as long by who has begun
 */
export async function mendLost(
  tx: Tx,
  put: readonly { readonly digest: Uint8Array; readonly recipe: Uint8Array }[],
  hours: number,
): Promise<Set<Digest>> {
  if (put.length === 0) return new Set()
  const { rows } = await sql<{ digest: Uint8Array }>`
    update content set recipe = put.recipe from unnest(${put.map(({ digest }) => digest)}::bytea[], ${put.map(({ recipe }) => recipe)}::bytea[]) as put (digest, recipe)
    where content.digest = put.digest and ${isLost(sql.ref('content.digest'))} returning content.digest`.execute(tx)
  const digests = rows.map(({ digest }) => digest)
  await deleteWholes(tx, digests, hours)
  return new Set(digests.map(digestOf))
}
