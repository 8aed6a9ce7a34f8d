// One repack of a network at a time, on whichever node: by a lease in the table of background work.
import { UnavailableError } from '../../base/index.ts'
import { JobRunner } from '../../jobs/index.ts'
import type { GitRoom } from '../git-room.ts'
import { type RepackOptions, type RepackResult, repackNetwork } from './repack.ts'

const leaseMs = 60_000

/**
 * As `repackNetwork`.
 * @throws UnavailableError 'repack-running' when another one has the lease, 'lease-lost' when this one could not keep it up, too
 */
export async function repackUnderLease(room: GitRoom, networkId: string, options: RepackOptions): Promise<RepackResult | null> {
  let result: RepackResult | null = null
  const isFree = await underLease(room, networkId, async (signal) => {
    result = await repackNetwork(room, networkId, { ...options, signal: AbortSignal.any([options.signal, signal]) })
  })
  if (!isFree) {
    throw new UnavailableError(
      'repack-running',
      'the repository, or another one of its network of forks, is being repacked already; one that was killed counts as running for a minute more',
    )
  }
  return result
}

/**
 * Runs what replaces packs of the network, and nothing else that does meanwhile. False when somebody else has the lease, or had it until just now and failed.
 * @throws UnavailableError 'lease-lost', and what `run` throws
 */
export async function underLease(room: GitRoom, networkId: string, run: (signal: AbortSignal) => Promise<void>): Promise<boolean> {
  const { db, log, randomness } = room.options
  const kind = `repack ${networkId}`
  const runner = new JobRunner({ database: db, randomness, log, jobs: [{ kind, intervalMs: 0, leaseMs, run }] })
  if (!(await runner.runIfDue(kind))) return false
  await db.queries.deleteFrom('job').where('kind', '=', kind).where('holder', 'is', null).execute()
  return true
}
