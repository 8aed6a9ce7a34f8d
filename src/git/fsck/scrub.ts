// The scrub: background work of one node that reads every stored pack back once a month, slowly, a part of a network at a time, and raises an alarm for
// what is wrong. Where it is stands in the packs' rows (`verified_at`): what was interrupted goes on there. What it found last stands in `scrub_finding`.
import { setTimeout as sleep } from 'node:timers/promises'
import { Places } from '../../base/index.ts'
import { type Database, sql } from '../../db/index.ts'
import type { Job } from '../../jobs/index.ts'
import type { GitRoom } from '../git-room.ts'
import { checkNetwork, type FsckParts } from './check-network.ts'
import type { Finding } from './finding.ts'

const everyDays = 30
/** Bytes of packs that are read before it is noted how far it came. */
const stepBytes = 256 << 20
/** It reads no slower than this, and fast enough to be round in half of the time that it has. */
const leastBytesPerSecond = 4 << 20
const secondsForAll = (everyDays / 2) * 24 * 3600

export interface ScrubState {
  /** Findings that stand since it last looked there. */
  readonly findings: number
  /** When the pack was read that was not read for the longest time; null: there are no packs. */
  readonly oldest: Date | null
}

/** For people and programs that ask how it stands. */
export async function scrubState(db: Database): Promise<ScrubState> {
  const { rows } = await sql<ScrubState>`select (select count(*)::int from scrub_finding) as findings,
    (select min(coalesce(verified_at, created_at)) from pack) as oldest`.execute(db.queries)
  return rows[0] as ScrubState
}

/** @param intervalMs between two looks for packs that are due */
export function scrubJob(room: GitRoom, intervalMs = 600_000): Job {
  return {
    kind: 'scrub',
    intervalMs,
    work: () => sql<boolean>`exists (select from pack where ${isDue})`,
    run: async (signal) => {
      const { db } = room.options
      const bytesPerSecond = Math.max(leastBytesPerSecond, (await storedBytes(db)) / secondsForAll)
      for (let step = await nextStep(db); step; step = await nextStep(db)) {
        signal.throwIfAborted()
        const startMs = room.options.clock.monotonic()
        await scrubStep(room, step, signal)
        const wantedMs = (step.bytes / bytesPerSecond) * 1000
        const restMs = wantedMs - (room.options.clock.monotonic() - startMs)
        if (restMs > 0) await sleep(restMs, undefined, { signal }).catch(() => signal.throwIfAborted())
      }
    },
  }
}

interface Step {
  readonly networkId: string
  readonly packIds: readonly number[]
  readonly bytes: number
}

const isDue = sql`coalesce(verified_at, created_at) < now() - ${sql.lit(everyDays)} * interval '1 day'`

async function storedBytes({ queries }: Database): Promise<number> {
  const { rows } = await sql<{ total: number }>`select coalesce(sum(size_bytes), 0)::float8 as total from pack`.execute(queries)
  return rows[0]?.total ?? 0
}

/** Packs of the network in which one is due for the longest time; null: none is due. */
async function nextStep(db: Database): Promise<Step | null> {
  const { rows } = await sql<{ id: number; network_id: string; size_bytes: number }>`
    with first as (
      select network_id from pack where ${isDue}
      order by coalesce(verified_at, created_at) limit 1)
    select id, network_id, size_bytes from pack join first using (network_id) where ${isDue}
    order by coalesce(verified_at, created_at), id limit 10000`.execute(db.queries)
  const [first] = rows
  if (!first) return null
  const packIds: number[] = []
  let bytes = 0
  for (const row of rows) {
    if (packIds.length > 0 && bytes + row.size_bytes > stepBytes) break
    packIds.push(row.id)
    bytes += row.size_bytes
  }
  return { networkId: first.network_id, packIds, bytes }
}

async function scrubStep(room: GitRoom, { networkId, packIds }: Step, signal: AbortSignal): Promise<void> {
  const { db, log } = room.options
  // one thread: requests have the others
  const parts: FsckParts = { ...room.options, reader: room.reader, workers: room.workers, places: new Places(1) }
  const due = new Set(packIds)
  const report = await checkNetwork(parts, networkId, { signal, passesOver: (id) => !due.has(id), progress: () => {} })
  if (!report) return
  for (const finding of report.findings) {
    const isError = finding.severity === 'error'
    log[isError ? 'error' : 'warn']({ alarm: isError, finding }, isError ? 'ALARM: stored data is wrong' : 'the scrub found something')
  }
  await keep(db, networkId, packIds, report.findings)
}

async function keep(db: Database, networkId: string, packIds: readonly number[], findings: readonly Finding[]): Promise<void> {
  await db.transaction(async (tx) => {
    const network = await tx.selectFrom('network').select('id').where('id', '=', networkId).forKeyShare().executeTakeFirst()
    if (!network) return
    const looked = [...packIds, ...findings.flatMap(({ pack }) => (pack === null ? [] : [pack]))]
    await sql`delete from scrub_finding f where network_id = ${networkId} and (pack_id is null or pack_id = any(${looked}::bigint[])
      or not exists (select from pack p where p.id = f.pack_id))`.execute(tx)
    for (const finding of findings) {
      await sql`insert into scrub_finding (network_id, pack_id, finding) values (${networkId}, ${finding.pack}, ${JSON.stringify(finding)})`.execute(
        tx,
      )
    }
    await sql`update pack set verified_at = now() where id = any(${[...packIds]}::bigint[])`.execute(tx)
  })
}
