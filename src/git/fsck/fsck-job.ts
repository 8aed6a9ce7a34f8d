// fsck's work in a worker: packs are checked, or it is found out which refs lead to what is wrong.
import type { MessagePort } from 'node:worker_threads'
import { answerJob } from '../../base/index.ts'
import type { BlockReader } from '../../bucket/index.ts'
import { type Inflater, ObjectCache, ObjectReader, openPackSet, type PackSetHandle, type StoredPack } from '../odb/index.ts'
import { Pace } from '../upload-pack/pace.ts'
import { checkPack, type PackFault } from './pack-check.ts'
import { findReaching, type ReachingQuestion } from './reaching.ts'

export interface FsckJob {
  readonly packs: PackSetHandle
  readonly cutOff: readonly string[]
  readonly task:
    | { readonly type: 'check'; readonly packIds: readonly number[] }
    | ({ readonly type: 'reaching' } & Omit<ReachingQuestion, 'cutOff'>)
}

export type FsckMessage =
  | { readonly type: 'progress'; readonly bytes: number }
  | { readonly type: 'checked'; readonly packId: number; readonly faults: readonly PackFault[] }
  | { readonly type: 'reaching'; readonly marks: Uint32Array }

const cacheBytes = 64 << 20
const progressBytes = 4 << 20

export async function fsckJob(job: FsckJob, port: MessagePort, blocks: BlockReader, inflater: Inflater): Promise<void> {
  await answerJob(port, async (main, signal) => {
    const tell = (message: FsckMessage) => main.send(message)
    const set = openPackSet(job.packs, blocks)
    const reader = new ObjectReader(set, new ObjectCache(cacheBytes), inflater)
    const pace = new Pace(signal)
    const cutOff = new Set(job.cutOff)
    const { task } = job
    if (task.type === 'reaching') tell({ type: 'reaching', marks: await findReaching(set, reader, pace, { ...task, cutOff }) })
    else {
      let bytes = 0
      const progress = (count: number) => {
        bytes += count
        if (bytes < progressBytes) return
        tell({ type: 'progress', bytes })
        bytes = 0
      }
      for (const packId of task.packIds) {
        const pack = set.packs.find(({ id }) => id === packId) as StoredPack
        tell({ type: 'checked', packId, faults: await checkPack({ set, pack, reader, pace, cutOff, progress }) })
      }
      tell({ type: 'progress', bytes })
    }
    main.endBytes()
  })
}
