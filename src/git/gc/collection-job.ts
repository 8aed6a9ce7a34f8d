// The background work that lets objects leave when their grace is over: finds networks that let something go, and collects them one after the other, each
// under its own lease. Networks that only grew are asked about by their commits and left alone. Doing it twice does no harm.
import type { MessagePort } from 'node:worker_threads'
import { CorruptError, InputError, MessageStream, UnavailableError } from '../../base/index.ts'
import type { Job } from '../../jobs/index.ts'
import type { GitRoom } from '../git-room.ts'
import { cutOffOf } from '../repack/index.ts'
import { collectNetwork } from './collect.ts'
import { forgetOwn } from '../browse/own-objects.ts'
import { endBatch, endReview, hasWork, type LetGo, nextBatch, nextReview, type Review } from './let-go.ts'
import type { LeftAnswer, LeftJob } from './left-job.ts'
import type { ReachableCounts } from './reachable-job.ts'
import { readRoots } from './roots.ts'

export interface CollectionOptions {
  /** How long what was let go stays; an hour at least. */
  readonly graceS: number
}

/** Networks up to this are collected for whatever leaves; larger ones when a twentieth leaves, or the grace is over for the second time. */
const smallBytes = 64 << 20
const leavingPart = 1 / 20
/** Then they are asked about again. */
const putOffS = 86_400
/** Somebody else is at the packs, or was; or something didn't answer. */
const retryS = 3600
/** For the deltas of a repack, all threads together. */
const searchBytes = 128 << 20

/** Leased work. What it does is logged. */
export function collectionJob(room: GitRoom, { graceS }: CollectionOptions, intervalMs = 3600_000): Job {
  const { db } = room.options
  return {
    kind: 'collect-objects',
    intervalMs,
    work: () => hasWork(graceS),
    run: async (signal) => {
      for (let batch = await nextBatch(db, graceS); batch; batch = await nextBatch(db, graceS)) {
        const left: LetGo[] = []
        for (const one of batch.networks) {
          signal.throwIfAborted()
          if (await hasLeft(room, one, graceS, signal)) left.push(one)
        }
        await endBatch(db, batch, left)
      }
      await forgetOwn(db, graceS)
      for (let review = await nextReview(db, graceS); review; review = await nextReview(db, graceS)) {
        signal.throwIfAborted()
        await endReview(db, review.networkId, await collect(room, review, graceS, signal))
      }
    },
  }
}

/** Whether a network may hold what no root reaches. One that can't be read counts: to collect it says what is wrong. */
async function hasLeft(room: GitRoom, { networkId, past }: LetGo, graceS: number, signal: AbortSignal): Promise<boolean> {
  try {
    const packs = await room.packs.open(networkId)
    const roots = (await readRoots(room.options.db.queries, networkId, graceS)).tips
    const job: LeftJob = { packs: packs.handle, cutOff: await cutOffOf(room, networkId), roots, past }
    const ask = (port: MessagePort) => new MessageStream<LeftAnswer>(port).message()
    return (await room.workers.run('left', job, [], ask, signal)).hasLeft
  } catch (error) {
    // so does one that a worker died of, perhaps: it must not keep all others from their turn
    if (error instanceof CorruptError || (error instanceof UnavailableError && error.code === 'worker' && !signal.aborted)) return true
    if (error instanceof InputError && error.code === 'repository-deleted') return false
    throw error
  }
}

/** Whether to write the packs anew for what leaves: of a large network for much of it only. */
export function isWorthIt({ leavingBytes }: Pick<ReachableCounts, 'leavingBytes'>, storedBytes: number): boolean {
  return storedBytes <= smallBytes || leavingBytes >= storedBytes * leavingPart
}

/** Seconds after which it is to be looked at again; null: it is done. */
async function collect(room: GitRoom, { networkId, isLate }: Review, graceS: number, signal: AbortSignal): Promise<number | null> {
  const { log } = room.options
  const how = { window: 10, depth: 50, reuse: true, threads: 1, memoryBytes: searchBytes, progress: () => {}, signal }
  try {
    const { repacked, ...counts } = await collectNetwork(room, networkId, {
      ...how,
      graceS,
      collects: (...what) => isLate || isWorthIt(...what),
      isUrgent: false,
    })
    if (repacked)
      log.info({ network: networkId, ...counts, bytesBefore: repacked.bytesBefore, bytesAfter: repacked.bytesAfter }, 'objects left')
    return repacked || counts.leavingObjects === 0 ? null : putOffS
  } catch (error) {
    if (signal.aborted) throw error
    if (error instanceof InputError && error.code === 'repository-deleted') return null
    // whatever it is, it keeps no other from its turn
    const isUnavailable = error instanceof UnavailableError
    log[isUnavailable ? 'debug' : 'warn']({ err: error, network: networkId }, 'a network could not be collected; it is tried again')
    return isUnavailable ? retryS : putOffS
  }
}
