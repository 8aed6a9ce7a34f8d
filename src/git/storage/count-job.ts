// What a network's packs hold, counted from their indexes in a worker: no object is read.
import type { MessagePort } from 'node:worker_threads'
import { answerJob } from '../../base/index.ts'
import type { PackSetHandle, PackSets } from '../odb/index.ts'
import { Pace, stretch, stretchSteps } from '../upload-pack/pace.ts'

export interface CountJob {
  readonly packs: PackSetHandle
}

export interface PackSums {
  /** Each object once. */
  objectCount: number
  logicalBytes: number
  /** Of those that are stored whole: their sizes, and what they take. */
  wholeBytes: number
  wholeStoredBytes: number
  /** The same of those that are stored as deltas. */
  deltaBytes: number
  deltaStoredBytes: number
  /** Entries of objects that another pack holds, too: what merging packs gives back. */
  copyCount: number
  copyStoredBytes: number
}

export async function countJob(job: CountJob, port: MessagePort, sets: PackSets): Promise<void> {
  await answerJob(port, async (main, signal) => {
    const set = sets.open(job.packs)
    const pace = new Pace(signal)
    const sums: PackSums = {
      objectCount: 0,
      logicalBytes: 0,
      wholeBytes: 0,
      wholeStoredBytes: 0,
      deltaBytes: 0,
      deltaStoredBytes: 0,
      copyCount: 0,
      copyStoredBytes: 0,
    }
    for (const { first, index } of set.packs) {
      for (let position = 0; position < index.count; position++) {
        const turn = position % stretch === 0 ? pace.turn(stretchSteps) : undefined
        if (turn) await turn
        const storedBytes = index.end(position) - index.offset(position)
        const isOne = set.packs.length === 1 || set.find(index.oid(position), 0) === first + position
        if (isOne) add(sums, index.sizeBytes(position), storedBytes, index.base(position) >= 0)
        else {
          sums.copyCount++
          sums.copyStoredBytes += storedBytes
        }
      }
    }
    main.send(sums)
  })
}

function add(sums: PackSums, sizeBytes: number, storedBytes: number, isDelta: boolean): void {
  sums.objectCount++
  sums.logicalBytes += sizeBytes
  if (isDelta) {
    sums.deltaBytes += sizeBytes
    sums.deltaStoredBytes += storedBytes
  } else {
    sums.wholeBytes += sizeBytes
    sums.wholeStoredBytes += storedBytes
  }
}
