// The transaction that puts a new pack in the place of those that it was made of. Packs that came meanwhile stay. Who holds the old set goes on reading the
// old keys: they are deleted only after a grace.
import { UnavailableError } from '../../base/index.ts'
import { type Database, sql, type Tx } from '../../db/index.ts'
import { dropHistory } from '../odb/index.ts'
import { dropPathTable } from '../paths/path-tables.ts'
import type { NewPack } from '../refs/index.ts'
import { writeRefs } from '../refs/ref-writes.ts'

/** A reader that holds the old set may still be about to read any of its keys: a fetch may last long. */
const keyGrace = sql<Date>`now() + interval '1 hour'`

/** How objects leave on the way (src/git/gc). */
export interface Departure {
  /** Instead of the network's row alone: locks what must hold still, and looks again. False: the network is gone. */
  readonly lock: (tx: Tx) => Promise<boolean>
  /** The old keys are deleted as soon as may be: who reads them at the moment breaks off. */
  readonly isUrgent: boolean
}

/**
 * False when the network is gone.
 * @throws UnavailableError 'repack-raced' when one of the old packs is no longer there; 'intent-gone' when the upload took longer than its lease
 */
export async function replacePacks(
  db: Database,
  networkId: string,
  old: readonly number[],
  pack: NewPack | null,
  departure: Departure | null = null,
): Promise<boolean> {
  return await db.transaction(async (tx) => {
    const isThere = departure
      ? await departure.lock(tx)
      : await tx.selectFrom('network').select('id').where('id', '=', networkId).forUpdate().executeTakeFirst()
    if (!isThere) return false
    const gone = await tx
      .deleteFrom('pack')
      .where('network_id', '=', networkId)
      .where(sql<boolean>`id = any(${[...old]}::bigint[])`)
      .returning(['key', sql<number>`coalesce(age, id)::float8`.as('age')])
      .execute()
    if (gone.length !== old.length) {
      throw new UnavailableError('repack-raced', 'the packs were replaced by somebody else meanwhile; nothing was changed, repack again')
    }
    const notBefore = departure?.isUrgent ? sql<Date>`now()` : keyGrace
    const keys = gone.flatMap(({ key }) => (key === null ? [] : [{ key, not_before: notBefore, network_id: networkId }]))
    if (keys.length > 0) await tx.insertInto('key_deletion').values(keys).execute()
    // it rests on nothing outside of it, and is as old as the oldest: packs that came meanwhile rest on what is in it now
    const age = Math.min(...gone.map((row) => row.age))
    // made of what is no longer there; a table of older packs is as good as before
    await dropHistory(tx, networkId, sql`last_age >= ${age}::bigint`, notBefore)
    if (departure) {
      // what it tells of commits may be what has to go
      await dropPathTable(tx, networkId, sql`true`, notBefore)
      const grown = { generation: sql<number>`generation + 1`, packs_version: sql<number>`packs_version + 1` }
      await tx.updateTable('network').set(grown).where('id', '=', networkId).execute()
    }
    if (pack === null) {
      // nobody counts what has no packs
      await tx.deleteFrom('network_storage').where('network_id', '=', networkId).execute()
      return true
    }
    await writeRefs(tx, { repositoryId: 0, networkId, pack: { ...pack, age }, moved: null })
    return true
  })
}
