// Rows whose keys are gone, where nothing needs them: above a dump that is older than the bucket, the rows of packs that others took the place of since.
import { Places } from '../../base/index.ts'
import { parseKey } from '../../bucket/index.ts'
import { sql } from '../../db/index.ts'
import type { GitRoom } from '../git-room.ts'
import { checkNetwork, type FsckParts } from './check-network.ts'

/**
 * How many rows went. One goes only where all that the network's refs reach is stored in its other packs.
 * @param listed keys that are in the bucket
 */
export async function dropGone(room: GitRoom, listed: ReadonlySet<string>, signal: AbortSignal): Promise<number> {
  const { db, bucket, threads } = room.options
  const parts: FsckParts = { ...room.options, reader: room.reader, workers: room.workers, places: new Places(threads) }
  const rows = await db.queries.selectFrom('pack').select(['key', 'network_id']).where('key', 'is not', null).execute()
  const networks = new Set<string>()
  for (const { key, network_id } of rows) {
    if (key === null || listed.has(key) || networks.has(network_id)) continue
    if (!(await bucket.head(parseKey(key), signal))) networks.add(network_id)
  }
  let dropped = 0
  for (const id of networks) {
    const report = await checkNetwork(parts, id, { signal, passesOver: () => true, progress: () => {} })
    const gone = (report?.findings ?? []).filter(({ code, dependents }) => code === 'pack-missing' && dependents.refCount === 0)
    const keys = gone.map(({ key }) => key as string)
    if (keys.length === 0) continue
    await db.transaction(async (tx) => {
      const { rows: deleted } = await sql`delete from pack where network_id = ${id} and key = any(${keys}::text[]) returning id`.execute(tx)
      await sql`update network set packs_version = packs_version + 1 where id = ${id}`.execute(tx)
      dropped += deleted.length
    })
  }
  return dropped
}
