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
  const { db, log, randomness } = room.options
  const kind = `repack ${networkId}`
  let result: RepackResult | null = null
  const run = async (signal: AbortSignal) => {
    result = await repackNetwork(room, networkId, { ...options, signal: AbortSignal.any([options.signal, signal]) })
  }
  const runner = new JobRunner({ database: db, randomness, log, jobs: [{ kind, intervalMs: 0, leaseMs, run }] })
  if (!(await runner.runIfDue(kind))) {
    throw new UnavailableError(
      'repack-running',
      'the repository, or another one of its network of forks, is being repacked already; one that was killed counts as running for a minute more',
    )
  }
  await db.queries.deleteFrom('job').where('kind', '=', kind).where('holder', 'is', null).execute()
  return result
}
