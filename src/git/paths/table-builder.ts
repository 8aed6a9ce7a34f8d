// Keeps path tables (docs/design/paths-key.md) up to date: networks that have grown beyond theirs are found by their packs, parts made in a worker, and
// put in place by one transaction. Doing it twice does no harm; no request waits for it.
import { UnavailableError } from '../../base/index.ts'
import { pathTableKey } from '../../bucket/index.ts'
import { type Database, type RawBuilder, sql } from '../../db/index.ts'
import type { Job } from '../../jobs/index.ts'
import { collectPart, dropPart, isWhole, keyGrace, type Outgrown, storePart, tableJob } from '../derived-tables.ts'
import type { GitRoom } from '../git-room.ts'
import { dropPathTable } from './path-tables.ts'
import type { MadePathPart, TableJob } from './table-job.ts'

/** A network gets a part when so many of its objects came since the last one: or a 64th of them, up to so many times as many. */
const leastObjects = 1024
const mostTimes = 4
/** Leased work: every network whose packs outgrew its table gets a part more. @param least for tests */
export function pathTableBuilder(room: GitRoom, intervalMs = 3000, least = leastObjects): Job {
  return tableJob<Outgrown>(room, {
    kind: 'build-paths',
    intervalMs,
    find: (db, isIn) => outgrownIn(db, isIn, least),
    make: async (network, signal) => {
      while (!(await addPart(room, network, signal)));
    },
    failure: 'a path table could not be made; histories of paths go without',
  })
}

async function outgrownIn(db: Database, isIn: RawBuilder<boolean>, least: number): Promise<Outgrown[]> {
  const { rows } = await sql<Outgrown>`
    select n.id, p.objects from (select distinct network_id as id from pack where ${isIn}) n
    cross join lateral (select coalesce(max(last_pack), 0) as last_pack from path_table where network_id = n.id) t
    cross join lateral (
      select sum(object_count)::float8 as objects, coalesce(sum(object_count) filter (where id > t.last_pack), 0) as fresh
      from pack where network_id = n.id) p
    where ${isWhole} and p.fresh >= greatest(${least}, least(${least * mostTimes}, p.objects / 64))`.execute(db.queries)
  return rows
}

/** True when nothing is left to add. */
async function addPart(room: GitRoom, { id: networkId }: Outgrown, signal: AbortSignal): Promise<boolean> {
  const { db, log, randomness } = room.options
  const lastPack = await lastPackOf(db, networkId)
  const opened = await room.packs.open(networkId)
  const packs = await room.pathTables.with(opened.handle)
  const before = performance.now()
  const job = { packs, lastPack } satisfies TableJob
  const { made, bytes } = await room.workers.run('pathTable', job, [], collectPart<MadePathPart>, signal)
  const newest = made.isWhole ? Math.max(lastPack, ...packs.packs.map(({ id }) => id)) : lastPack
  const kept = packs.paths?.map(({ key }) => key) ?? []
  const at = { networkId, generation: opened.generation, kept }
  if (bytes === null) return await settle(db, at, newest)
  const key = pathTableKey(randomness.uuid())
  await storePart(room, key, bytes, signal)
  const row = { key, part: made.part, size_bytes: bytes.length, change_count: made.changes, commit_count: made.commits, last_pack: newest }
  if (!(await place(db, at, row))) {
    await dropPart(room, key)
    return true // the next look finds what has changed
  }
  const ms = Math.round(performance.now() - before)
  log.info({ network: networkId, ...made, bytes: bytes.length, ms }, 'made a part of a path table')
  return made.isWhole
}

async function lastPackOf(db: Database, networkId: string): Promise<number> {
  const { rows } = await sql<{ id: number }>`
    select coalesce(max(last_pack), 0)::float8 as id from path_table where network_id = ${networkId}`.execute(db.queries)
  return rows[0]?.id ?? 0
}

/** What a part was made of: it counts only while that is so. */
interface MadeOf {
  readonly networkId: string
  readonly generation: number
  /** Keys of the stored parts. */
  readonly kept: readonly string[]
}

/** Nothing is lacking: the packs are done with. */
async function settle(db: Database, { networkId, kept }: MadeOf, lastPack: number): Promise<true> {
  await db.queries
    .updateTable('path_table')
    .set({ last_pack: lastPack })
    .where('network_id', '=', networkId)
    .where('key', '=', kept.at(-1) ?? '')
    .execute()
  return true
}

/** False when the network is gone, or what the part was made of. Keys whose place it takes are queued for deletion. */
async function place(
  db: Database,
  { networkId, generation, kept }: MadeOf,
  row: { key: string; part: number; size_bytes: number; change_count: number; commit_count: number; last_pack: number },
): Promise<boolean> {
  return await db.transaction(async (tx) => {
    const network = await tx.selectFrom('network').select('generation').where('id', '=', networkId).forUpdate().executeTakeFirst()
    const present = await tx.selectFrom('path_table').select('key').where('network_id', '=', networkId).orderBy('part').execute()
    const isSame = present.length === kept.length && present.every(({ key }, part) => key === kept[part])
    if (network?.generation !== generation || !isSame) return false
    const intent = await tx.deleteFrom('upload_intent').where('key', '=', row.key).executeTakeFirst()
    if (intent.numDeletedRows === 0n) throw new UnavailableError('intent-expired', 'the part took longer than its lease')
    await dropPathTable(tx, networkId, sql`part >= ${row.part}`, keyGrace)
    await tx
      .insertInto('path_table')
      .values({ network_id: networkId, ...row })
      .execute()
    return true
  })
}
