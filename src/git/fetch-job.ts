// A fetch across threads: a worker negotiates and plans, the thread with the socket asks for it and streams stored regions itself.
// Between the two the worker waits for a word: the pack may be there already, or there may be no room to make it now.
import type { MessagePort } from 'node:worker_threads'
import { answerJob, MessageStream, type Places, type StartedJob, UnavailableError, type WorkerPool } from '../base/index.ts'
import type { ObjectId } from './format/index.ts'
import { type Deflater, type Inflater, ObjectCache, ObjectReader, type PackSet, type PackSetHandle, type PackSets } from './odb/index.ts'
import { PathIndexes } from './paths/path-indexes.ts'
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
  readonly #paths = new PathIndexes()

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
    const isCurrent = known?.repository.set === set && known.historyKey === historyKey && known.cutOff === cutOff
    if (isCurrent && handle.paths === undefined) return known.repository // nothing is asked of its paths
    const paths = this.#paths.open(handle, cutOff)
    if (isCurrent && known.repository.paths === paths) return known.repository
    // packs are only added behind: what the cache has by number is right
    const extended = known?.repository.set.packs.every((pack, place) => set.packs[place] === pack)
    const cache = known && extended ? known.cache : new ObjectCache(this.#cacheBytes)
    const table = handle.history ? new Uint8Array(handle.history.bytes) : null
    const repository = openFetchRepository(set, new ObjectReader(set, cache, this.#inflater), table, shallow, this.#deflater, paths)
    this.#repositories.delete(handle.networkId)
    this.#repositories.set(handle.networkId, { repository, cache, historyKey, cutOff })
    if (this.#repositories.size > 4) this.#repositories.delete(this.#repositories.keys().next().value as string)
    return repository
  }
}

/** In a worker: runs the fetch and sends its events; behind the preamble only when it is told to go on. */
export async function fetchJob(job: FetchJob, port: MessagePort, repositories: FetchRepositories): Promise<void> {
  await answerJob<'go'>(port, async (main, signal) => {
    for await (const event of fetchEvents(repositories.open(job.packs, job.task.cutOff), job.task, signal)) {
      if (main.closed) return
      if (event.type === 'chunk') await main.sendBytes(event.bytes, event.bytes.byteLength === event.bytes.buffer.byteLength)
      else main.send(event)
      if (event.type === 'preamble' && event.pack) await main.message()
    }
    main.endBytes()
  })
}

/** Where fetches are worked on. */
export interface FetchWorkers {
  readonly pool: Pick<WorkerPool, 'start'>
  /** Bytes of memory that the making of packs may take. */
  readonly memory: Places
}

/** What a pack takes while it is made: chunks on their way between the threads and to the cache, what is read ahead … */
const workBytes = 6 << 20
/** … and such a part of the indexes (about 40 bytes for each object): marks, where entries start, runs. */
const indexPart = 2

/**
 * Starts a fetch in a worker. Its events throw what the worker failed with, or UnavailableError; the pack is made only when what follows the
 * preamble is asked for, and when there is memory for it: that is held until the worker is done, not until the client has everything.
 */
export function startFetch(workers: FetchWorkers, job: FetchJob): PackSource {
  return new FetchWork(workers, job, workers.pool.start('fetch', job)).source()
}

/** The same without its preamble, which is known: it starts when its events are first asked for and there is memory for it. */
export function laterFetch(workers: FetchWorkers, job: FetchJob): PackSource {
  const source = new FetchWork(workers, job, null).source()
  return { ...source, events: behindPreamble(source.events) }
}

class FetchWork {
  readonly #workers: FetchWorkers
  readonly #job: FetchJob
  #started: StartedJob | null
  #isStopped = false
  #free: (() => void) | null = null

  /** @param started null: it is started when there is memory for all of it */
  constructor(workers: FetchWorkers, job: FetchJob, started: StartedJob | null) {
    this.#workers = workers
    this.#job = job
    this.#started = started
  }

  source(): PackSource {
    return { events: this.#events(), stop: () => this.#stop(), again: () => laterFetch(this.#workers, this.#job) }
  }

  async *#events(): AsyncGenerator<FetchEvent, void, undefined> {
    try {
      if (this.#started === null) {
        await this.#hold()
        this.#started = this.#workers.pool.start('fetch', this.#job)
      }
      const worker = new MessageStream<FetchMessage>(this.#started.port)
      for await (const item of worker.all()) {
        const event: FetchEvent = 'message' in item ? item.message : { type: 'chunk', bytes: item.bytes }
        yield event
        if (event.type !== 'preamble' || !event.pack) continue
        await this.#hold()
        worker.send('go')
      }
    } catch (cause) {
      throw this.#started ? this.#started.explain(cause) : cause
    } finally {
      this.#stop()
    }
  }

  async #hold(): Promise<void> {
    if (this.#free) return
    if (this.#isStopped) throw stopped()
    const indexBytes = this.#job.packs.packs.reduce((sum, { bytes }) => sum + bytes.byteLength, 0)
    const free = await this.#workers.memory.take(workBytes + Math.ceil(indexBytes / indexPart))
    if (this.#isStopped) {
      free()
      throw stopped()
    }
    this.#free = free
  }

  #stop(): void {
    this.#isStopped = true
    this.#started?.end()
    this.#free?.()
  }
}

function stopped(): UnavailableError {
  return new UnavailableError('worker', 'nobody waits for this fetch any more')
}

async function* behindPreamble(events: AsyncIterable<FetchEvent>): AsyncGenerator<FetchEvent, void, undefined> {
  for await (const event of events) if (event.type !== 'preamble') yield event
}
