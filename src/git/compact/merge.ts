// Merges the newest packs of a network: a worker writes one pack of their entries, which is taken in as a pushed one is, so that every object of it
// is hashed again before the old copies may go; one transaction puts it in their place.
import type { GitRoom } from '../git-room.ts'
import type { NetworkPacks } from '../odb/index.ts'
import { cutOffOf, placeOrDiscard, replacePacks, takeIn } from '../repack/index.ts'
import type { MergeJob } from './merge-job.ts'

export interface MergeResult {
  readonly packs: number
  readonly bytesBefore: number
  readonly bytesAfter: number
}

/**
 * All packs from that place on, as they were opened, become one. What was pushed since stays.
 * @returns null when the network is gone
 * @throws CorruptError when something stored can't be read; UnavailableError 'repack-raced' when somebody else replaced packs meanwhile, or what
 * bucket and database throw; the signal's reason. Nothing is changed then.
 */
export async function mergePacks(room: GitRoom, packs: NetworkPacks, from: number, signal: AbortSignal): Promise<MergeResult | null> {
  const { handle } = packs
  const old = handle.packs.slice(from)
  const cutOff = await cutOffOf(room, handle.networkId)
  const job = { packs: handle, from, until: handle.packs.length } satisfies MergeJob
  const staged = await takeIn(room, { packs: handle, cutOff, kind: 'merge', job, progress: () => {}, signal })
  const ids = old.map(({ id }) => id)
  if (!(await placeOrDiscard(staged, () => replacePacks(room.options.db, handle.networkId, ids, staged.pack)))) return null
  const bytesBefore = old.reduce((sum, { valueBytes }) => sum + valueBytes, 0)
  return { packs: old.length, bytesBefore, bytesAfter: staged.pack.valueBytes }
}
