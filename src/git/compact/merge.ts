// Merges the newest packs of a network: a worker writes one pack of their entries, which is taken in as a pushed one is, so that every object of it
// is hashed again before the old copies may go; one transaction puts it in their place.
import { MessageStream } from '../../base/index.ts'
import type { GitRoom } from '../git-room.ts'
import type { NetworkPacks } from '../odb/index.ts'
import { PackIntake, type StagedPack } from '../receive-pack/index.ts'
import { cutOffOf, noLimits, replacePacks } from '../repack/index.ts'
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
  const staged = await write(room, packs, from, signal)
  try {
    const ids = old.map(({ id }) => id)
    if (!(await replacePacks(room.options.db, handle.networkId, ids, staged.pack))) {
      await staged.discard()
      return null
    }
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'commit-unknown')) await staged.discard()
    throw error
  }
  const bytesBefore = old.reduce((sum, { valueBytes }) => sum + valueBytes, 0)
  return { packs: old.length, bytesBefore, bytesAfter: staged.pack.valueBytes }
}

async function write(room: GitRoom, { handle }: NetworkPacks, from: number, signal: AbortSignal): Promise<StagedPack> {
  const { intakeParts, workers } = room
  const cutOff = await cutOffOf(room, handle.networkId)
  const intake = new PackIntake({ ...intakeParts, limits: { ...intakeParts.limits, ...noLimits } })
  signal.throwIfAborted()
  const written = workers.start('merge', { packs: handle, from, until: handle.packs.length } satisfies MergeJob)
  const stop = () => written.end()
  signal.addEventListener('abort', stop, { once: true })
  try {
    const { networkId } = handle
    const questions = {
      packs: handle,
      networkId,
      tips: [],
      fsck: null,
      buildOn: null,
      shallows: [],
      cutOff,
      ancestry: [],
      maxInputBytes: 0,
    }
    const bytes = new MessageStream<never>(written.port).bytes()
    return await intake.take({ ...questions, stopsEarly: true }, bytes, () => {})
  } catch (cause) {
    signal.throwIfAborted()
    throw written.explain(cause)
  } finally {
    signal.removeEventListener('abort', stop)
    written.end()
  }
}
