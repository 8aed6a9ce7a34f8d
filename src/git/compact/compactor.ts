// The background work that keeps networks in few packs: finds those that came to be in many, and merges or repacks them one after the other, each
// under its own lease. Doing it twice does no harm; a push or fetch never waits for it.
import { InputError, UnavailableError } from '../../base/index.ts'
import { type Database, type RawBuilder, sql } from '../../db/index.ts'
import type { Job } from '../../jobs/index.ts'
import type { GitRoom } from '../git-room.ts'
import { isPackAbove, newestPack, packRanges } from '../new-packs.ts'
import { byAge, type NetworkPacks, type PackHandle } from '../odb/index.ts'
import { fullPack, type RepackOptions, repackNetwork, underLease } from '../repack/index.ts'
import { mergePacks } from './merge.ts'
import { isMergeSearched, isSearchDue, nextStep, policy, type PackSize, type Step } from './policy.ts'

/** Rows that got their ids before others and were committed after them: looked at again. */
const idSlack = 1000
/** So often is looked at networks that have become quiet since… */
const lookAgainMs = 600_000
/** …and so often at all. */
const lookAtAllMs = 86_400_000
/** For the deltas of one repack or merge. */
const searchBytes = 128 << 20

/** Somebody else was at its packs, or a worker died of it: the others have their turn. */
const isOfOneNetwork: ReadonlySet<string> = new Set(['repack-raced', 'worker'])

/** Leased work: every network whose packs have become many, or much, has them put together. */
export function compactor(room: GitRoom, intervalMs = 3000): Job {
  const { clock, db, log } = room.options
  let lastPack = 0 // packs up to this id were seen by this node
  let lookedAtMs = Number.NEGATIVE_INFINITY
  let allAtMs = Number.NEGATIVE_INFINITY
  const looks: Look[] = []
  return {
    kind: 'compact',
    intervalMs,
    work: () => (clock.monotonic() - lookedAtMs > lookAgainMs ? sql<boolean>`true` : isPackAbove(lastPack)),
    run: async (signal) => {
      const nowMs = clock.monotonic()
      const isLook = nowMs - lookedAtMs > lookAgainMs
      const isWhole = nowMs - allAtMs > lookAtAllMs
      const newest = await newestPack(db)
      const after = isWhole ? 0 : isLook ? notQuietBefore(looks, lookedAtMs) : lastPack
      for await (const networkId of grown(db, after - idSlack, newest)) {
        signal.throwIfAborted()
        try {
          await underLease(room, networkId, async (leased) => await compactNetwork(room, networkId, AbortSignal.any([signal, leased])))
        } catch (error) {
          if (error instanceof InputError && error.code === 'repository-deleted') continue
          // what doesn't answer keeps it from the others, too; what is damaged doesn't. Its turn comes again when it is pushed to
          if (signal.aborted || (error instanceof UnavailableError && !isOfOneNetwork.has(error.code))) throw error
          log.warn({ err: error, network: networkId }, 'a network could not be compacted')
        }
      }
      lastPack = newest
      if (isLook) {
        lookedAtMs = nowMs
        looks.push({ atMs: nowMs, newest })
      }
      if (isWhole) allAtMs = nowMs
    },
  }
}

interface Look {
  readonly atMs: number
  /** The newest pack then. */
  readonly newest: number
}

/** Packs up to this id were quiet already when it was looked last; older looks are forgotten. */
function notQuietBefore(looks: Look[], lookedAtMs: number): number {
  const known = looks.findLastIndex(({ atMs }) => atMs <= lookedAtMs - policy.quietMs)
  if (known > 0) looks.splice(0, known)
  return known < 0 ? 0 : (looks[0] as Look).newest
}

/** Step by step, until there is nothing to do. */
async function compactNetwork(room: GitRoom, networkId: string, signal: AbortSignal): Promise<void> {
  const { db, log } = room.options
  for (;;) {
    signal.throwIfAborted()
    const packs = await room.packs.open(networkId)
    const step = await stepOf(db, networkId, new Set(packs.handle.packs.map(({ id }) => id)))
    if (step.kind === 'none') return
    const before = performance.now()
    const result = step.kind === 'merge' ? await merged(room, packs, step.from, signal) : await repacked(room, packs, signal)
    if (result === null) return
    log.info({ network: networkId, step: step.kind, ...result, ms: Math.round(performance.now() - before) }, 'compacted a network')
  }
}

async function repacked(room: GitRoom, { handle, set }: NetworkPacks, signal: AbortSignal) {
  const packBytes = handle.packs.reduce((sum, pack) => sum + pack.packBytes, 0)
  const full = await fullPack(room.options.db, handle)
  const reuse = full !== null && !isSearchDue(packBytes, set.size, full.searchedObjects)
  return await repackNetwork(room, handle.networkId, searching(signal, { reuse }))
}

/** With deltas searched, where the network isn't too large beside what is merged; else as they are. */
async function merged(room: GitRoom, packs: NetworkPacks, from: number, signal: AbortSignal): Promise<object | null> {
  const { networkId, packs: all } = packs.handle
  const bytes = (some: typeof all) => some.reduce((sum, { packBytes }) => sum + packBytes, 0)
  const isNear = room.options.bucket.openValue !== undefined
  if (isMergeSearched(bytes(all.slice(from)), bytes(all), isNear)) {
    return await repackNetwork(room, networkId, searching(signal, { reuse: false, fromPack: (all[from] as PackHandle).id }))
  }
  const result = await mergePacks(room, packs, from, signal)
  return result && { ...result, deltas: 'copied' }
}

function searching(signal: AbortSignal, which: Pick<RepackOptions, 'reuse' | 'fromPack'>): RepackOptions {
  return { ...which, window: 10, depth: 50, threads: 1, memoryBytes: searchBytes, progress: () => {}, signal }
}

/** Places in the step are of the opened packs: those that came since then don't count. */
async function stepOf(db: Database, networkId: string, opened: ReadonlySet<number>): Promise<Step> {
  const rows = await db.queries
    .selectFrom('pack')
    .select(['id', 'size_bytes', 'pack_bytes', 'is_full', sql<boolean>`key is null`.as('is_tail')])
    .select(sql<number>`extract(epoch from now() - created_at)::float8 * 1000`.as('age_ms'))
    .where('network_id', '=', networkId)
    .orderBy(byAge)
    .execute()
  const known = rows.filter(({ id }) => opened.has(id))
  if (known.length !== opened.size) return { kind: 'none' } // replaced between the two reads, by who had no lease
  const sizes = known.map((row): PackSize => {
    return { isTail: row.is_tail, isFull: row.is_full, sizeBytes: row.size_bytes, packBytes: row.pack_bytes }
  })
  return nextStep(sizes, Math.min(Number.POSITIVE_INFINITY, ...rows.map((row) => row.age_ms)))
}

/** Networks with packs above that id that something may be due for; `nextStep` says what. */
async function* grown(db: Database, afterPack: number, newest: number): AsyncGenerator<string> {
  for (const isIn of packRanges(afterPack, newest)) yield* await grownIn(db, isIn)
}

async function grownIn(db: Database, isIn: RawBuilder<boolean>): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`
    select n.id from (select distinct network_id as id from pack where ${isIn}) n
    cross join lateral (
      select count(*) as packs, coalesce(sum(size_bytes) filter (where key is null), 0) as tails,
        coalesce(sum(pack_bytes) filter (where not is_full), 0) as outside, coalesce(sum(pack_bytes) filter (where is_full), 0) as full_bytes
      from pack p where p.network_id = n.id) s
    where s.packs > 1 and (s.packs >= ${policy.packs} or s.tails >= ${policy.tailsBytes}
      or s.outside >= greatest(${policy.quietLeastBytes}, ${policy.quietTimes} * s.full_bytes))`.execute(db.queries)
  return rows.map((row) => row.id)
}
