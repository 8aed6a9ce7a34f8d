// Makes history tables (docs/design/history-key.md) for networks that have grown beyond theirs: found by their packs, made in a worker, and put
// in place by one transaction. What is written goes on where the tables before it end, or takes the place of the small ones among them.
// Doing it twice does no harm; a push or fetch never waits for it.
import type { MessagePort } from 'node:worker_threads'
import { answerJob, UnavailableError } from '../base/index.ts'
import { historyKey, type Key } from '../bucket/index.ts'
import { type Database, type RawBuilder, sql } from '../db/index.ts'
import type { Job } from '../jobs/index.ts'
import { policy } from './compact/policy.ts'
import { collectPart, dropPart, isWhole, keyGrace, type Outgrown, storePart, tableJob } from './derived-tables.ts'
import type { FetchRepositories } from './fetch-job.ts'
import { encodeHistory, type HistoryEnd, noHistory } from './format/history-table.ts'
import type { GitRoom } from './git-room.ts'
import { dropHistory, type PackSetHandle } from './odb/index.ts'
import { extendHistory, paced } from './upload-pack/index.ts'

export interface HistoryJob {
  readonly packs: PackSetHandle
  /** So many of the packs, the oldest, are to be covered. */
  readonly packCount: number
}

/** Before its bytes. */
interface MadePart {
  /** Place of the stored table whose place it takes; as many as there are: it goes on behind them. */
  readonly part: number
  /** Packs that the table covers up to this part, and of these the part's own. */
  readonly packs: readonly { readonly id: number; readonly count: number }[]
  readonly own: number
}

/** A network gets a table, or a new one, when so many of its objects are in none: or a 64th of them, up to twice as many as this. */
const leastObjects = 2048
/** Tails are covered only where so many times that are in no table: they are about to be merged, and what covers them is for nothing then. */
const uncoveredTimes = 3
/** A part is written anew together with what goes on behind it, when that has more than half as many commits. */
const growth = 2
/** In a worker: makes the table and sends its bytes. */
export async function historyJob(job: HistoryJob, port: MessagePort, repositories: FetchRepositories): Promise<void> {
  await answerJob(port, async (main, signal) => {
    const repository = paced(repositories.open(job.packs), signal)
    // a table that wasn't made for these packs, the oldest, is none
    const ends = repository.history.size > 0 ? (job.packs.history?.parts.map(({ end }) => end) ?? []) : []
    const whole = await extendHistory(repository, job.packCount)
    const part = partFor(ends, whole.commits.length)
    const from = ends[part - 1] ?? noHistory
    main.send({ part, packs: whole.packs, own: whole.packs.length - from.packs } satisfies MadePart)
    const bytes = encodeHistory(whole, from)
    await main.sendBytes(bytes, bytes.byteLength === bytes.buffer.byteLength)
    main.endBytes()
  })
}

/** From which on tables are written as one. @param ends of the stored tables @param rows of all of them, and what is new */
export function partFor(ends: readonly HistoryEnd[], rows: number): number {
  let part = ends.length
  const before = (place: number) => ends[place - 1]?.rows ?? 0
  while (part > 0 && before(part) - before(part - 1) < growth * (rows - before(part))) part--
  return part
}

/** Leased work: every network whose packs outgrew its table gets a new one. @param least for tests */
export function historyBuilder(room: GitRoom, intervalMs = 3000, least = leastObjects): Job {
  return tableJob<Uncovered>(room, {
    kind: 'build-history',
    intervalMs,
    find: (db, isIn) => uncoveredIn(db, isIn, least),
    make: (network, signal) => build(room, network, signal),
    failure: 'a history table could not be made; fetches go without',
  })
}

/** Networks whose tables lack enough, or were made for other packs (one that began before was committed later). */
async function uncoveredIn(db: Database, isIn: RawBuilder<boolean>, least: number): Promise<Uncovered[]> {
  const uncovered = least * uncoveredTimes
  const { rows } = await sql<Uncovered>`
    select n.id, p.objects::float8 as objects, p.objects - greatest(p.settled, h.objects) >= ${uncovered} as "withTails"
    from (select distinct network_id as id from pack where ${isIn}) n
    cross join lateral (
      select coalesce(max(object_count), 0) as objects, coalesce(max(pack_count), 0) as packs, coalesce(max(last_age), 0) as age
      from history where network_id = n.id) h
    cross join lateral (select max(coalesce(age, id)) filter (where key is not null) as age from pack where network_id = n.id) k
    cross join lateral (
      select count(*) as packs, sum(object_count) as objects, coalesce(sum(object_count) filter (where coalesce(age, id) <= k.age), 0) as settled,
        count(*) filter (where coalesce(age, id) <= h.age) as covered
      from pack where network_id = n.id) p
    where ${isWhole} and (p.covered <> h.packs or p.settled - h.objects >= greatest(${least}, least(${least * 2}, h.objects / 64))
      or (p.objects - greatest(p.settled, h.objects) >= ${uncovered} and p.packs <= ${policy.packs}))`.execute(db.queries)
  return rows
}

interface Uncovered extends Outgrown {
  readonly withTails: boolean
}

async function build(room: GitRoom, { id: networkId, withTails }: Uncovered, signal: AbortSignal): Promise<void> {
  const { db, log, randomness } = room.options
  const { handle } = await room.packs.open(networkId)
  const packCount = withTails ? handle.packs.length : handle.packs.findLastIndex((pack) => pack.key !== null) + 1
  if (packCount === 0) return
  const before = performance.now()
  const job = { packs: handle, packCount } satisfies HistoryJob
  const { made, bytes } = await room.workers.run('history', job, [], collectPart<MadePart>, signal)
  if (bytes === null) throw new Error('a worker made a history table of no bytes')
  const key = historyKey(randomness.uuid())
  await storePart(room, key, bytes, signal)
  const kept = handle.history?.parts.slice(0, made.part).map((part) => part.key) ?? []
  const ids = made.packs.map((pack) => pack.id)
  const objects = made.packs.reduce((sum, { count }) => sum + count, 0)
  const table = { network_id: networkId, key, part: made.part, size_bytes: bytes.length, object_count: objects, pack_count: ids.length }
  const placed = await place(db, { ...table, last_pack: Math.max(...ids) }, kept, ids)
  if (!placed) await dropPart(room, key)
  else {
    const ms = Math.round(performance.now() - before)
    log.info({ network: networkId, objects, packs: made.own, part: made.part, bytes: bytes.length, ms }, 'made a history table')
  }
}

interface NewTable {
  readonly network_id: string
  readonly key: Key
  readonly part: number
  readonly size_bytes: number
  readonly object_count: number
  readonly pack_count: number
  readonly last_pack: number
}

/**
 * False when the network is gone, or what the table was made of. Keys whose place it takes are queued for deletion; caches of the packs see that
 * something changed.
 * @param kept keys of the tables that it goes on behind @param packIds what these and it cover
 */
async function place(db: Database, table: NewTable, kept: readonly string[], packIds: readonly number[]): Promise<boolean> {
  return await db.transaction(async (tx) => {
    const network = await tx.selectFrom('network').select('id').where('id', '=', table.network_id).forUpdate().executeTakeFirst()
    if (!network) return false
    const { rows: covered } = await sql<{ packs: number; age: number }>`
      select count(*)::int as packs, max(coalesce(age, id))::float8 as age from pack where id = any(${[...packIds]}::bigint[])`.execute(tx)
    const before = await tx.selectFrom('history').select('key').where('network_id', '=', table.network_id).orderBy('part').execute()
    const isSame = kept.every((key, part) => before[part]?.key === key)
    if (covered[0]?.packs !== packIds.length || !isSame) return false
    const intent = await tx.deleteFrom('upload_intent').where('key', '=', table.key).executeTakeFirst()
    if (intent.numDeletedRows === 0n) throw new UnavailableError('intent-expired', 'the table took longer than its lease')
    await dropHistory(tx, table.network_id, sql`part >= ${table.part}`, keyGrace)
    await tx
      .insertInto('history')
      .values({ ...table, last_age: covered[0].age })
      .execute()
    await tx.updateTable('network').set({ packs_version: sql<number>`packs_version + 1` }).where('id', '=', table.network_id).execute()
    return true
  })
}
