// One fetch, served: a worker negotiates, then the pack comes from it or from the cache, and goes out at this client's pace.
import type { Repository } from '../access/index.ts'
import { CorruptError, InputError, UnavailableError } from '../base/index.ts'
import { laterFetch, startFetch } from './fetch-job.ts'
import type { GitAnswer } from './git-call.ts'
import type { GitRoom } from './git-room.ts'
import type { Preamble } from './negotiated.ts'
import type { SeenPacks } from './odb/index.ts'
import { storedPack } from './pack-stream.ts'
import type { VisibleRefs } from './refs/index.ts'
import {
  type AnswerEvent,
  answerFetch,
  errorPacket,
  type FetchOffer,
  type FetchRequest,
  type FetchTask,
  fetchTask,
  packedTips,
  type PackSource,
} from './upload-pack/index.ts'

/** What a fetch is about beside its request. */
export interface ToldToFetch {
  /** For whom it takes a place: `placeKey`. */
  readonly caller: string
  readonly refs: VisibleRefs
  readonly refsVersion: number
  readonly offer: FetchOffer
}

/** Answers a fetch: what the negotiation came to. What goes wrong is told to the client as far as that is possible, and logged: null. */
export async function answerPack(
  room: GitRoom,
  repository: Repository,
  request: FetchRequest,
  { caller, offer, refs, refsVersion }: ToldToFetch,
  answer: GitAnswer,
): Promise<Preamble | null> {
  room.counts.fetches++
  const told: { preamble?: Preamble } = {}
  let free: (() => void) | undefined
  try {
    const task = fetchTask(request, refs, offer, (view) => room.views.once(view, packedTips))
    free = await room.fetches.take(caller)
    // else everybody who has left while he waited would have a negotiation, and no place to bound them
    if (answer.gone.aborted) return null
    const packs = await room.packsUnder(repository, refsVersion)
    const onPreamble = (preamble: Preamble) => {
      told.preamble = preamble
    }
    const isWhole = await answerFetch(untilGone(servedEvents(room, packs, task, answer.gone, onPreamble), answer.gone), answer, {
      request,
      format: repository.objectFormat,
      region: (region) => storedPack(packs, region).stream(region.offset, region.sizeBytes),
      open: (region) => storedPack(packs, region).open?.(),
      buffers: room.frameBuffers,
      sampler: room.sampler,
      gone: answer.gone,
      packEnds: room.packEnds,
      keepAliveMs: offer.settings.keepAliveMs,
    })
    if (isWhole) answer.end()
    else answer.fail()
    return (isWhole && told.preamble) || null
  } catch (error) {
    const alarm = error instanceof CorruptError
    if (answer.gone.aborted && !alarm) return null
    if (error instanceof InputError) {
      answer.fail(errorPacket(error.message, request.sidebandAll))
      return null
    }
    room.options.log.error({ err: error, alarm, repository: repository.id }, alarm ? 'ALARM: stored data is wrong' : 'a fetch broke off')
    // with frames the client has been told; without, a broken connection is all that tells it
    if (request.sideband === 0) answer.break()
    else answer.fail()
    return null
  } finally {
    free?.()
  }
}

/** Whatever the negotiation comes to is looked for in the cache. */
async function* servedEvents(
  room: GitRoom,
  packs: SeenPacks,
  task: FetchTask,
  gone: AbortSignal,
  onPreamble: (preamble: Preamble) => void,
): AsyncGenerator<AnswerEvent, void, undefined> {
  const workers = { pool: room.workers, memory: room.fetchMemory }
  const job = { packs: packs.handle, task }
  const begun: { source?: PackSource } = {}
  const preamble = await room.negotiated.get(packs.handle, task, async () => {
    const free = await room.negotiations.take()
    try {
      gone.throwIfAborted() // he may have left while he waited, or while an equal one was negotiated
      begun.source = startFetch(workers, job)
      return await preambleOf(begun.source, gone)
    } finally {
      free()
    }
  })
  const source = begun.source ?? laterFetch(workers, job)
  let isTaken = false
  try {
    onPreamble(preamble)
    yield preamble
    if (!preamble.pack || gone.aborted) return
    // what left the network is in no pack that is found again
    const key = preamble.key && `${packs.handle.networkId} ${packs.handle.generation} ${preamble.key}`
    const isStored = (packId: number) => packs.set.packs.some((pack) => pack.id === packId)
    isTaken = true
    yield* room.packCache.read({ key, format: packs.handle.format, source, isStored }, gone)
  } finally {
    if (!isTaken) source.stop()
  }
}

async function preambleOf(source: PackSource, gone: AbortSignal): Promise<Preamble> {
  const stop = () => source.stop()
  gone.addEventListener('abort', stop)
  if (gone.aborted) stop()
  let isFound = false
  try {
    const { done, value } = await source.events.next()
    if (done || value.type !== 'preamble') throw new Error('a fetch begins with its preamble')
    isFound = !gone.aborted
    return value
  } finally {
    gone.removeEventListener('abort', stop)
    if (!isFound) stop()
  }
}

/** Stops at once when nobody reads what comes, even while nothing does. */
export async function* untilGone<T>(items: AsyncIterable<T>, gone: AbortSignal): AsyncGenerator<T, void, undefined> {
  const iterator = items[Symbol.asyncIterator]()
  const left = Promise.withResolvers<never>()
  left.promise.catch(() => {}) // it may come when nothing is waited for
  const leave = () => left.reject(new UnavailableError('client-gone', 'the client closed the connection'))
  if (gone.aborted) leave()
  gone.addEventListener('abort', leave)
  try {
    for (;;) {
      const item = iterator.next()
      item.catch(() => {}) // it may fail when nobody waits for it any more
      const { done, value } = await Promise.race([left.promise, item])
      if (done) return
      yield value
    }
  } finally {
    gone.removeEventListener('abort', leave)
    iterator.return?.().catch(() => {})
  }
}
