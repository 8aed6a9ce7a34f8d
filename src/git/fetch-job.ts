// A fetch across threads: a worker negotiates and plans, the thread with the socket asks for it and streams stored regions itself.
// Between the two the worker waits for a word: the pack may be there already.
import type { MessagePort } from 'node:worker_threads'
import { MessageStream, type StartedJob, UnavailableError, type WorkerPool } from '../base/index.ts'
import type { ObjectId } from './format/index.ts'
import { type Deflater, type Inflater, ObjectCache, ObjectReader, type PackSet, type PackSetHandle, type PackSets } from './odb/index.ts'
import {
  type FetchEvent,
  fetchEvents,
  type FetchRepository,
  type FetchTask,
  openFetchRepository,
  type PackSource,
} from './upload-pack/index.ts'

export interface FetchJob {
  readonly packs: PackSetHandle
  readonly task: FetchTask
}

/** Events but for chunks, which go as bytes. */
type FetchMessage = Exclude<FetchEvent, { type: 'chunk' }>

interface OpenRepository {
  readonly repository: FetchRepository
  readonly cache: ObjectCache
  readonly historyKey: string | null
  readonly cutOff: string
}

/** What a worker keeps of each network between fetches. */
export class FetchRepositories {
  readonly #sets: PackSets
  readonly #cacheBytes: number
  readonly #inflater: Inflater
  readonly #deflater: Deflater
  readonly #repositories = new Map<string, OpenRepository>()

  /** @param cacheBytes for inflated objects of the network that is read at the moment */
  constructor(sets: PackSets, cacheBytes: number, inflater: Inflater, deflater: Deflater) {
    this.#sets = sets
    this.#cacheBytes = cacheBytes
    this.#inflater = inflater
    this.#deflater = deflater
  }

  /** @param shallow commits at which the repository is cut off */
  open(handle: PackSetHandle, shallow: readonly ObjectId[] = []): FetchRepository {
    const set: PackSet = this.#sets.open(handle)
    const known = this.#repositories.get(handle.networkId)
    const historyKey = handle.history?.key ?? null
    const cutOff = shallow.join()
    if (known?.repository.set === set && known.historyKey === historyKey && known.cutOff === cutOff) return known.repository
    // packs are only added behind: what the cache has by number is right
    const extended = known?.repository.set.packs.every((pack, place) => set.packs[place] === pack)
    const cache = known && extended ? known.cache : new ObjectCache(this.#cacheBytes)
    const table = handle.history ? new Uint8Array(handle.history.bytes) : null
    const repository = openFetchRepository(set, new ObjectReader(set, cache, this.#inflater), table, shallow, this.#deflater)
    this.#repositories.delete(handle.networkId)
    this.#repositories.set(handle.networkId, { repository, cache, historyKey, cutOff })
    if (this.#repositories.size > 4) this.#repositories.delete(this.#repositories.keys().next().value as string)
    return repository
  }
}

/** In a worker: runs the fetch and sends its events; behind the preamble only when it is told to go on. */
export async function fetchJob(job: FetchJob, port: MessagePort, repositories: FetchRepositories): Promise<void> {
  const main = new MessageStream<'go'>(port)
  const gone = new AbortController()
  port.once('close', () => gone.abort(new Error('nobody waits for this fetch any more')))
  try {
    for await (const event of fetchEvents(repositories.open(job.packs, job.task.cutOff), job.task, gone.signal)) {
      if (main.closed) return
      if (event.type === 'chunk') await main.sendBytes(event.bytes, event.bytes.byteLength === event.bytes.buffer.byteLength)
      else main.send(event)
      if (event.type === 'preamble' && event.pack) await main.message()
    }
    main.endBytes()
  } catch (error) {
    main.fail(error)
  }
}

/**
 * Starts a fetch in a worker. Its events throw what the worker failed with, or UnavailableError; the pack is made only when what follows the
 * preamble is asked for.
 */
export function startFetch(workers: Pick<WorkerPool, 'start'>, job: FetchJob): PackSource {
  const started = workers.start('fetch', job)
  return {
    events: eventsOf(started),
    stop: () => started.end(),
    again: () => laterFetch(workers, job),
  }
}

/** The same without its preamble, which is known: it starts when its events are first asked for. */
export function laterFetch(workers: Pick<WorkerPool, 'start'>, job: FetchJob): PackSource {
  let started: PackSource | null = null
  let isStopped = false
  async function* events(): AsyncGenerator<FetchEvent, void, undefined> {
    if (isStopped) throw new UnavailableError('worker', 'the fetch was stopped before it began')
    started = startFetch(workers, job)
    yield* behindPreamble(started.events)
  }
  const stop = () => {
    isStopped = true
    started?.stop()
  }
  return { events: events(), stop, again: () => laterFetch(workers, job) }
}

async function* eventsOf(started: StartedJob): AsyncGenerator<FetchEvent, void, undefined> {
  const worker = new MessageStream<FetchMessage>(started.port)
  try {
    for await (const item of worker.all()) {
      const event: FetchEvent = 'message' in item ? item.message : { type: 'chunk', bytes: item.bytes }
      yield event
      if (event.type === 'preamble' && event.pack) worker.send('go')
    }
  } catch (cause) {
    throw started.explain(cause)
  } finally {
    started.end()
  }
}

async function* behindPreamble(events: AsyncIterable<FetchEvent>): AsyncGenerator<FetchEvent, void, undefined> {
  for await (const event of events) if (event.type !== 'preamble') yield event
}
