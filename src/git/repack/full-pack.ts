// The pack whose stored deltas are worth taking over: what the last full repack made. Where there is none, the largest: most often it was imported, well
// packed. What clients pushed beside it was made in haste, each push by itself.
import { type Database, sql } from '../../db/index.ts'
import type { PackSetHandle } from '../odb/index.ts'

export interface FullPack {
  readonly id: number
  /** What the network had when its deltas were last searched anew, all of them. */
  readonly searchedObjects: number
}

/** @returns null when the network has no pack, or other packs since these were opened */
export async function fullPack(db: Database, { networkId, packs }: PackSetHandle): Promise<FullPack | null> {
  const ids = packs.map(({ id }) => id)
  const row = await db.queries
    .selectFrom('pack')
    .select(['id', sql<number>`coalesce(searched_objects, object_count)::float8`.as('searched')])
    .where('network_id', '=', networkId)
    .where(sql<boolean>`id = any(${ids}::bigint[])`)
    .orderBy('is_full', 'desc')
    .orderBy('pack_bytes', 'desc')
    .limit(1)
    .executeTakeFirst()
  return row ? { id: row.id, searchedObjects: row.searched } : null
}
