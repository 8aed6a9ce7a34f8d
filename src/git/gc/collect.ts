// Collects what no root of a network reaches: a repack of what is reached, under the same lease (docs/design/gc.md).
import type { MessagePort } from 'node:worker_threads'
import { MessageStream } from '../../base/index.ts'
import type { Tx } from '../../db/index.ts'
import type { GitRoom } from '../git-room.ts'
import type { ObjectId } from '../format/object-id.ts'
import type { NetworkPacks } from '../odb/index.ts'
import { type Collector, type RepackOptions, type RepackResult, repackUnderLease } from '../repack/index.ts'
import { assertUnneeded, lockNetwork } from './guard.ts'
import type { ReachableCounts, ReachableJob } from './reachable-job.ts'
import { readRoots, type Roots } from './roots.ts'

export interface CollectOptions extends Omit<RepackOptions, 'collector'> {
  /** What a ref of the network pointed to so lately stays; 0: only what refs reach. */
  readonly graceS: number
  /** Whether what was counted is to leave now. Not asked when that is nothing. `storedBytes`: of all packs of the network, their indexes too. */
  readonly collects: (counts: ReachableCounts, storedBytes: number) => boolean
  /** Runs in the transaction in which objects leave: for who tells the audit of it. */
  readonly witness?: (tx: Tx, counts: ReachableCounts) => Promise<void>
  /** The old values' keys are due at once, and not in an hour. */
  readonly isUrgent: boolean
}

export interface Collected extends ReachableCounts {
  /** Null: nothing was to leave, or it was not to leave now. */
  readonly repacked: RepackResult | null
}

/**
 * @throws as repackUnderLease; UnavailableError 'gc-raced' when something that was to leave is needed since. Nothing is changed then.
 */
export async function collectNetwork(room: GitRoom, networkId: string, options: CollectOptions): Promise<Collected> {
  const { graceS, collects, isUrgent, witness, ...repack } = options
  const collection = new Collection(room, networkId, { graceS, collects, isUrgent, ...(witness === undefined ? {} : { witness }) })
  const repacked = await repackUnderLease(room, networkId, { ...repack, collector: collection })
  return { ...collection.counts, repacked }
}

class Collection implements Collector {
  readonly isUrgent: boolean
  counts: ReachableCounts = { keptObjects: 0, leavingObjects: 0, leavingBytes: 0 }
  readonly #room: GitRoom
  readonly #networkId: string
  readonly #graceS: number
  readonly #collects: CollectOptions['collects']
  readonly #witness: CollectOptions['witness']
  #roots: Roots = { tips: new Uint8Array(0), ids: new Set() }
  #packs: NetworkPacks | null = null
  #keep: Uint8Array = new Uint8Array(0)

  constructor(room: GitRoom, networkId: string, how: Pick<CollectOptions, 'graceS' | 'collects' | 'isUrgent' | 'witness'>) {
    this.#room = room
    this.#networkId = networkId
    this.#graceS = how.graceS
    this.isUrgent = how.isUrgent
    this.#collects = how.collects
    this.#witness = how.witness
  }

  async choose(packs: NetworkPacks, cutOff: readonly ObjectId[], signal: AbortSignal): Promise<Uint8Array | null> {
    const { db } = this.#room.options
    // behind the packs: a ref that moved before them is seen, and one that moves later is found by the last look
    this.#roots = await readRoots(db.queries, this.#networkId, this.#graceS)
    this.#packs = packs
    this.#keep = new Uint8Array(new SharedArrayBuffer(packs.set.size))
    const job: ReachableJob = { packs: packs.handle, cutOff, tips: this.#roots.tips, keep: this.#keep }
    const ask = (port: MessagePort) => new MessageStream<ReachableCounts>(port).message()
    this.counts = await this.#room.workers.run('reachable', job, [], ask, signal)
    const storedBytes = packs.handle.packs.reduce((sum, { valueBytes }) => sum + valueBytes, 0)
    return this.counts.leavingObjects > 0 && this.#collects(this.counts, storedBytes) ? this.#keep : null
  }

  readonly lock = async (tx: Tx): Promise<boolean> => {
    const packs = this.#packs as NetworkPacks
    if (!(await lockNetwork(tx, this.#networkId))) return false
    const now = await this.#room.packs.open(this.#networkId)
    await assertUnneeded(tx, this.#networkId, { packs, keep: this.#keep, known: this.#roots.ids }, now)
    await this.#witness?.(tx, this.counts)
    return true
  }
}
