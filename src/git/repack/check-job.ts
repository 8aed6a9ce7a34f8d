// Before the packs that a new one replaces may go: every object that it must hold is in its index. That each entry is the object that the index says was
// found when the pack was taken in: there every byte of it was inflated, put together and hashed.
import type { MessagePort } from 'node:worker_threads'
import { CorruptError, hex } from '../../base/index.ts'
import { PackIndex } from '../format/stored-pack.ts'
import type { PackSet } from '../odb/index.ts'
import { Pace, stretch, stretchSteps } from '../upload-pack/pace.ts'
import { type JobPacks, openSet, type RepackParts } from './near-packs.ts'
import { answering } from './plan-job.ts'
import { Keep, type RepackTables } from './tables.ts'

export interface CheckJob extends JobPacks {
  readonly tables: RepackTables
  readonly objectCount: number
  /** Lower numbers are those of packs that stay. */
  readonly first: number
  /** The new value from its index on, and where that begins in it. */
  readonly index: SharedArrayBuffer
  readonly indexFrom: number
}

export async function checkJob(job: CheckJob, port: MessagePort, parts: RepackParts): Promise<void> {
  await answering(port, async (signal) => {
    const index = new PackIndex(new Uint8Array(job.index), job.indexFrom)
    await assertHolds(index, openSet(job, parts), job, new Pace(signal))
  })
}

/** @throws CorruptError when the pack isn't of the objects that are kept, all of them and no others */
export async function assertHolds(
  index: PackIndex,
  set: PackSet,
  { tables, objectCount, first }: Pick<CheckJob, 'tables' | 'objectCount' | 'first'>,
  pace: Pace,
): Promise<void> {
  if (index.count !== objectCount) throw wrong(`it holds ${index.count} objects, and ${objectCount} are to be kept`)
  // where none stays, what it links to outside would leave with the packs that it replaces
  if (first === 0 && (index.externals.length > 0 || index.outsideCount > 0)) throw wrong('it refers to objects that it does not hold')
  for (let number = first; number < set.size; number++) {
    const turn = number % stretch === 0 ? pace.turn(stretchSteps) : undefined
    if (turn) await turn
    if (tables.kept[number] === Keep.no) continue
    const position = index.find(set.oid(number), 0)
    if (position < 0) throw wrong(`object ${hex(set.oid(number))} is not in it`)
    if (index.kind(position) !== set.kind(number)) throw wrong(`object ${hex(set.oid(number))} is of another kind in it`)
  }
}

function wrong(what: string): CorruptError {
  return new CorruptError('repack', `the new pack is not what was asked for, and nothing was replaced: ${what}`)
}
