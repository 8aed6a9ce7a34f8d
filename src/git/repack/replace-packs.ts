// The transaction that puts a new pack in the place of those that it was made of. Packs that came meanwhile stay. Who holds the old set goes on reading the
// old keys: they are deleted only after a grace.
import { UnavailableError } from '../../base/index.ts'
import { type Database, sql } from '../../db/index.ts'
import type { NewPack } from '../refs/index.ts'
import { writeRefs } from '../refs/ref-writes.ts'

/** A reader that holds the old set may still be about to read any of its keys: a fetch may last long. */
const keyGrace = sql<Date>`now() + interval '1 hour'`

/**
 * False when the network is gone.
 * @throws UnavailableError 'repack-raced' when one of the old packs is no longer there; 'intent-gone' when the upload took longer than its lease
 */
export async function replacePacks(db: Database, networkId: string, old: readonly number[], pack: NewPack): Promise<boolean> {
  return await db.transaction(async (tx) => {
    const network = await tx.selectFrom('network').select('id').where('id', '=', networkId).forUpdate().executeTakeFirst()
    if (!network) return false
    const gone = await tx
      .deleteFrom('pack')
      .where('network_id', '=', networkId)
      .where(sql<boolean>`id = any(${[...old]}::bigint[])`)
      .returning(['key', sql<number>`coalesce(age, id)::float8`.as('age')])
      .execute()
    if (gone.length !== old.length) {
      throw new UnavailableError('repack-raced', 'the packs were replaced by somebody else meanwhile; nothing was changed, repack again')
    }
    const keys = gone.flatMap(({ key }) => (key === null ? [] : [{ key, not_before: keyGrace }]))
    if (keys.length > 0) await tx.insertInto('key_deletion').values(keys).execute()
    // it rests on nothing outside of it, and is as old as the oldest: packs that came meanwhile rest on what is in it now
    const age = Math.min(...gone.map((row) => row.age))
    await writeRefs(tx, { repositoryId: 0, networkId, pack: { ...pack, age }, moved: null })
    return true
  })
}
