// What the tips reach, in a worker: a byte for each entry of the packs.
import type { MessagePort } from 'node:worker_threads'
import { answerJob } from '../../base/index.ts'
import type { FetchRepositories } from '../fetch-job.ts'
import { hashBytes, type ObjectId } from '../format/object-id.ts'
import type { PackSetHandle } from '../odb/index.ts'
import { Mark } from '../upload-pack/commit-walk.ts'
import { stretch, stretchSteps } from '../upload-pack/pace.ts'
import { paced } from '../upload-pack/repository.ts'
import { selectObjects } from '../upload-pack/selection.ts'

export interface ReachableJob {
  readonly packs: PackSetHandle
  /** Commits at which repositories of the network are cut off. */
  readonly cutOff: readonly ObjectId[]
  /** Packed ids. Those that aren't stored are passed over. */
  readonly tips: Uint8Array
  /** Shared memory, a byte for each number: not 0 for what is reached, whichever copy of it counts. */
  readonly keep: Uint8Array
}

export interface ReachableCounts {
  readonly keptObjects: number
  readonly leavingObjects: number
  /** What their entries take, copies included. */
  readonly leavingBytes: number
}

/** @throws CorruptError when something that is reached can't be read */
export async function reachableJob(
  { packs, cutOff, tips, keep }: ReachableJob,
  port: MessagePort,
  repositories: FetchRepositories,
): Promise<void> {
  await answerJob(port, async (main, signal) => {
    const repository = paced(repositories.open(packs, cutOff), signal)
    const { pace, set } = repository
    const h = hashBytes(set.format)
    const wants = new Set<number>()
    for (let at = 0; at < tips.length; at += h) {
      const number = set.find(tips, at)
      if (number >= 0) wants.add(number)
    }
    const request = { wants: [...wants], haves: [], grafts: [], filter: null, thinPack: false, ofsDelta: true, tags: [] }
    const marks = wants.size === 0 ? new Uint8Array(set.size) : (await selectObjects(repository, request)).marks
    let keptObjects = 0
    let leavingObjects = 0
    let leavingBytes = 0
    for (const { first, index } of set.packs) {
      for (let position = 0; position < index.count; position++) {
        const turn = position % stretch === 0 ? pace.turn(stretchSteps) : undefined
        if (turn) await turn
        const number = first + position
        const one = set.find(index.oid(position), 0)
        const isKept = ((marks[one] as number) & Mark.send) !== 0
        if (isKept) keep[number] = 1
        else leavingBytes += index.end(position) - index.offset(position)
        if (one !== number) continue
        if (isKept) keptObjects++
        else leavingObjects++
      }
    }
    main.send({ keptObjects, leavingObjects, leavingBytes } satisfies ReachableCounts)
  })
}
