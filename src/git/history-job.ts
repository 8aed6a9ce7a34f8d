// Makes history tables (docs/design/history-key.md) for networks that have grown beyond theirs: found by their packs, made in a worker, and put
// in place by one transaction. Doing it twice does no harm; a push or fetch never waits for it.
import type { MessagePort } from 'node:worker_threads'
import { concatBytes, CorruptError, InputError, MessageStream, UnavailableError } from '../base/index.ts'
import { type Bucket, historyKey, type Key } from '../bucket/index.ts'
import { type Database, sql } from '../db/index.ts'
import type { Job } from '../jobs/index.ts'
import { policy } from './compact/policy.ts'
import type { FetchRepositories } from './fetch-job.ts'
import type { GitRoom } from './git-room.ts'
import type { PackSetHandle } from './odb/index.ts'
import { buildHistory, paced } from './upload-pack/index.ts'

export interface HistoryJob {
  readonly packs: PackSetHandle
}

/** A network gets a table, or a new one, when so many of its objects are in none: or a 64th of them, up to twice as many as this. */
const leastObjects = 2048
/** A table's upload that takes longer is nobody's any more. */
const leaseSeconds = 3600
/** A reader that knows the old table's row may still be about to load it. */
const keyGrace = sql<Date>`now() + interval '1 hour'`
/** Rows that got their ids before others and were committed after them: looked at again. */
const idSlack = 1000
/** So often is looked for those, where no new pack is the reason. */
const lookAgainMs = 60_000

/** In a worker: makes the table and sends its bytes. */
export async function historyJob(job: HistoryJob, port: MessagePort, repositories: FetchRepositories): Promise<void> {
  const main = new MessageStream<never>(port)
  const gone = new AbortController()
  port.once('close', () => gone.abort(new Error('nobody waits for this table any more')))
  try {
    const table = await buildHistory(paced(repositories.open(job.packs), gone.signal))
    await main.sendBytes(table, table.byteLength === table.buffer.byteLength)
    main.endBytes()
  } catch (error) {
    main.fail(error)
  }
}

/** Leased work: every network whose packs outgrew its table gets a new one. @param least for tests */
export function historyBuilder(room: GitRoom, intervalMs = 3000, least = leastObjects): Job {
  const { clock } = room.options
  let lastPack = 0 // packs up to this id were seen by this node
  let lookedAtMs = Number.NEGATIVE_INFINITY
  return {
    kind: 'build-history',
    intervalMs,
    work: () =>
      clock.monotonic() - lookedAtMs > lookAgainMs ? sql<boolean>`true` : sql<boolean>`exists (select 1 from pack where id > ${lastPack})`,
    run: async (signal) => {
      const { db, log } = room.options
      const newest = await newestPack(db)
      for (const networkId of await outgrown(db, lastPack - idSlack, least)) {
        signal.throwIfAborted()
        try {
          await build(room, networkId, signal)
        } catch (error) {
          if (error instanceof InputError && error.code === 'repository-deleted') continue
          // damaged, or cut off (its oldest commits' parents aren't stored); its turn comes again when it is pushed to
          if (!(error instanceof CorruptError)) throw error
          log.warn({ err: error, network: networkId }, 'a history table could not be made; fetches go without')
        }
      }
      lastPack = newest
      lookedAtMs = clock.monotonic()
    },
  }
}

async function newestPack(db: Database): Promise<number> {
  const { rows } = await sql<{ id: number }>`select coalesce(max(id), 0)::float8 as id from pack`.execute(db.queries)
  return rows[0]?.id ?? 0
}

/** A repository that is cut off leaves commits without parents in its network: no table can be made of those. */
const isWhole = sql`not exists (select 1 from repository r where r.network_id = n.id and r.settings ? 'stemma.shallow')`

/** Networks with packs above that id whose tables lack enough, or were made for other packs (one that began before was committed later). */
async function outgrown(db: Database, afterPack: number, least: number): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`
    select n.id from (select distinct network_id as id from pack where id > ${afterPack}) n
    left join history h on h.network_id = n.id
    where ${isWhole} and (select count(*) from pack p where p.network_id = n.id) <= ${policy.packs} and (
      (select sum(object_count) from pack p where p.network_id = n.id) - coalesce(h.object_count, 0)
        >= greatest(${least}, least(${least * 2}, coalesce(h.object_count, 0) / 64))
      or (select count(*) from pack p where p.network_id = n.id and p.id <= h.last_pack) <> h.pack_count)`.execute(db.queries)
  return rows.map((row) => row.id)
}

async function build(room: GitRoom, networkId: string, signal: AbortSignal): Promise<void> {
  const { bucket, db, log, randomness } = room.options
  const { handle, set } = await room.packs.open(networkId)
  const before = performance.now()
  const table = await room.workers.run('history', { packs: handle } satisfies HistoryJob, [], collect, signal)
  const key = historyKey(randomness.uuid())
  await db.queries
    .insertInto('upload_intent')
    .values({ key, expires_at: sql<Date>`now() + ${leaseSeconds} * interval '1 second'` })
    .execute()
  await bucket.put(key, table, signal)
  const placed = await place(db, {
    network_id: networkId,
    key,
    size_bytes: table.length,
    object_count: set.size,
    pack_count: set.packs.length,
    last_pack: Math.max(0, ...set.packs.map((pack) => pack.id)),
  })
  if (!placed) await drop(db, bucket, key)
  else
    log.info(
      { network: networkId, objects: set.size, bytes: table.length, ms: Math.round(performance.now() - before) },
      'made a history table',
    )
}

async function collect(port: MessagePort): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for await (const bytes of new MessageStream<never>(port).bytes()) parts.push(bytes)
  return parts.length === 1 ? (parts[0] as Uint8Array) : concatBytes(parts)
}

interface NewTable {
  readonly network_id: string
  readonly key: Key
  readonly size_bytes: number
  readonly object_count: number
  readonly pack_count: number
  readonly last_pack: number
}

/** False when the network is gone. The old table's key is queued for deletion; caches of the packs see that something changed. */
async function place(db: Database, table: NewTable): Promise<boolean> {
  return await db.transaction(async (tx) => {
    const network = await tx.selectFrom('network').select('id').where('id', '=', table.network_id).forUpdate().executeTakeFirst()
    if (!network) return false
    const intent = await tx.deleteFrom('upload_intent').where('key', '=', table.key).executeTakeFirst()
    if (intent.numDeletedRows === 0n) throw new UnavailableError('intent-expired', 'the table took longer than its lease')
    const old = await tx.deleteFrom('history').where('network_id', '=', table.network_id).returning('key').executeTakeFirst()
    if (old) await tx.insertInto('key_deletion').values({ key: old.key, not_before: keyGrace }).execute()
    await tx.insertInto('history').values(table).execute()
    await tx.updateTable('network').set({ packs_version: sql<number>`packs_version + 1` }).where('id', '=', table.network_id).execute()
    return true
  })
}

async function drop(db: Database, bucket: Bucket, key: Key): Promise<void> {
  await bucket.delete(key)
  await db.queries.deleteFrom('upload_intent').where('key', '=', key).execute()
}
