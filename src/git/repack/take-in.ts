// A pack that a worker writes of what is stored already, taken in as a pushed one is: every object of it is hashed again, and its index is what was found.
import { CorruptError, InputError, MessageStream } from '../../base/index.ts'
import { isCommitUnknown } from '../../db/index.ts'
import type { ObjectId } from '../format/object-id.ts'
import type { GitRoom } from '../git-room.ts'
import type { IndexLimits } from '../index-pack/index.ts'
import type { PackSetHandle } from '../odb/index.ts'
import { type IntakeProgress, PackIntake, type StagedPack } from '../receive-pack/index.ts'

/** What is stored already was let in once: it is limited by nothing here. */
const noLimits = { packBytes: 2 ** 50, objectBytes: 2 ** 40, objectCount: 2 ** 32 - 1, deltaDepth: 0xffff, inflatedBytes: 2 ** 50 }

export interface WrittenPack {
  /** The network's, as they were opened: what the new pack is made of. */
  readonly packs: PackSetHandle
  readonly cutOff: readonly ObjectId[]
  /** The worker's job that sends the pack's bytes. */
  readonly kind: 'merge' | 'repackWrite'
  readonly job: object
  readonly progress: IntakeProgress
  readonly signal: AbortSignal
}

/** @throws what the job or the intake throws, CorruptError for bytes that are wrong; the signal's reason. Nothing is left then but what the sweeper finds. */
export async function takeIn(room: GitRoom, { packs, cutOff, kind, job, progress, signal }: WrittenPack): Promise<StagedPack> {
  const { intakeParts, workers } = room
  const intake = new PackIntake({ ...intakeParts, limits: { ...intakeParts.limits, ...noLimits } satisfies IndexLimits })
  signal.throwIfAborted()
  const written = workers.start(kind, job)
  const stop = () => written.end()
  signal.addEventListener('abort', stop, { once: true })
  try {
    const { networkId } = packs
    const asked = { packs, networkId, tips: [], fsck: null, buildOn: null, shallows: [], cutOff, ancestry: [], maxInputBytes: 0 }
    return await intake.take({ ...asked, stopsEarly: true }, new MessageStream<never>(written.port).bytes(), progress)
  } catch (cause) {
    signal.throwIfAborted()
    // the bytes that came are ours
    if (cause instanceof InputError)
      throw new CorruptError('repack', 'stored packs cannot be put together: what comes of them is no sound pack', { cause })
    throw written.explain(cause)
  } finally {
    signal.removeEventListener('abort', stop)
    written.end()
  }
}

/** True when `place` put it in place. Else it is removed again, unless nobody knows how the transaction ended: then the sweeper decides. */
export async function placeOrDiscard(staged: StagedPack | null, place: () => Promise<boolean>): Promise<boolean> {
  try {
    if (await place()) return true
  } catch (error) {
    if (!isCommitUnknown(error)) await staged?.discard()
    throw error
  }
  await staged?.discard()
  return false
}
