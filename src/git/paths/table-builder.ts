// Keeps path tables (docs/design/paths-key.md) up to date: networks that have grown beyond theirs are found by their packs, parts made in a worker, and
// put in place by one transaction. Doing it twice does no harm; no request waits for it.
import type { MessagePort } from 'node:worker_threads'
import { concatBytes, CorruptError, InputError, MessageStream, UnavailableError } from '../../base/index.ts'
import { pathTableKey } from '../../bucket/index.ts'
import { type Database, type RawBuilder, sql } from '../../db/index.ts'
import type { Job } from '../../jobs/index.ts'
import type { GitRoom } from '../git-room.ts'
import { isPackAbove, newestPack, packRanges } from '../new-packs.ts'
import { dropPathTable } from './path-tables.ts'
import type { MadePathPart, TableJob } from './table-job.ts'

/** A network gets a part when so many of its objects came since the last one: or a 64th of them, up to so many times as many. */
const leastObjects = 1024
const mostTimes = 4
/** A part's upload that takes longer is nobody's any more. */
const leaseSeconds = 3600
/** A reader that knows the old parts' rows may still be about to load them. */
const keyGrace = sql<Date>`now() + interval '1 hour'`
/** Rows that got their ids before others and were committed after them: looked at again. */
const idSlack = 1000
/** So often is looked for those, where no new pack is the reason. */
const lookAgainMs = 60_000
/** A network that no table can be made for is tried again when it has so many times the objects; so many such networks are remembered. */
const worthAgain = 1.5
const mostHopeless = 10_000

/** Leased work: every network whose packs outgrew its table gets a part more. @param least for tests */
export function pathTableBuilder(room: GitRoom, intervalMs = 3000, least = leastObjects): Job {
  const { clock } = room.options
  let lastPack = 0 // packs up to this id were seen by this node
  let lookedAtMs = Number.NEGATIVE_INFINITY
  const hopeless = new Map<string, number>() // networks that can have no table, and how many objects each had
  return {
    kind: 'build-paths',
    intervalMs,
    work: () => (clock.monotonic() - lookedAtMs > lookAgainMs ? sql<boolean>`true` : isPackAbove(lastPack)),
    run: async (signal) => {
      const { db, log } = room.options
      const newest = await newestPack(db)
      for await (const network of outgrown(db, lastPack - idSlack, newest, least)) {
        signal.throwIfAborted()
        if (network.objects < (hopeless.get(network.id) ?? 0) * worthAgain) continue
        try {
          while (!(await addPart(room, network, signal)));
        } catch (error) {
          if (error instanceof InputError && error.code === 'repository-deleted') continue
          // what doesn't answer keeps it from the others, too; what is damaged, or too large, doesn't
          if (signal.aborted || (error instanceof UnavailableError && error.code !== 'worker')) throw error
          if (!(error instanceof CorruptError)) note(hopeless, network)
          log.warn({ err: error, network: network.id }, 'a path table could not be made; histories of paths go without')
        }
      }
      lastPack = newest
      lookedAtMs = clock.monotonic()
    },
  }
}

function note(hopeless: Map<string, number>, { id, objects }: Outgrown): void {
  hopeless.delete(id)
  hopeless.set(id, objects)
  if (hopeless.size > mostHopeless) hopeless.delete(hopeless.keys().next().value as string)
}

interface Outgrown {
  readonly id: string
  readonly objects: number
}

/** A repository that is cut off leaves commits without parents in its network: those aren't the same for all of its repositories. */
const isWhole = sql`not exists (select 1 from repository r where r.network_id = n.id and r.settings ? 'stemma.shallow')`

async function* outgrown(db: Database, afterPack: number, newest: number, least: number): AsyncGenerator<Outgrown> {
  for (const isIn of packRanges(afterPack, newest)) yield* await outgrownIn(db, isIn, least)
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
  const { bucket, db, log, randomness } = room.options
  const lastPack = await lastPackOf(db, networkId)
  const opened = await room.packs.open(networkId)
  const packs = await room.pathTables.with(opened.handle)
  const before = performance.now()
  const { made, bytes } = await room.workers.run('pathTable', { packs, lastPack } satisfies TableJob, [], collect, signal)
  const newest = made.isWhole ? Math.max(lastPack, ...packs.packs.map(({ id }) => id)) : lastPack
  const kept = packs.paths?.map(({ key }) => key) ?? []
  const at = { networkId, generation: opened.generation, kept }
  if (bytes === null) return await settle(db, at, newest)
  const key = pathTableKey(randomness.uuid())
  await db.queries
    .insertInto('upload_intent')
    .values({ key, expires_at: sql<Date>`now() + ${leaseSeconds} * interval '1 second'` })
    .execute()
  await bucket.put(key, bytes, signal)
  const row = { key, part: made.part, size_bytes: bytes.length, change_count: made.changes, commit_count: made.commits, last_pack: newest }
  if (!(await place(db, at, row))) {
    await bucket.delete(key)
    await db.queries.deleteFrom('upload_intent').where('key', '=', key).execute()
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

async function collect(port: MessagePort): Promise<{ readonly made: MadePathPart; readonly bytes: Uint8Array | null }> {
  const worker = new MessageStream<MadePathPart>(port)
  const made = await worker.message()
  const parts: Uint8Array[] = []
  for await (const bytes of worker.bytes()) parts.push(bytes)
  return { made, bytes: parts.length === 0 ? null : concatBytes(parts) }
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
