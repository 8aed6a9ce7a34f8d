// A fetch in a worker thread: the job that plans and writes, and the main thread's view of it as a series of events.
// Stored regions are named, not sent: the main thread streams them itself. Only bytes that were made here cross over, each chunk handed on.
import type { MessagePort } from 'node:worker_threads'
import { MessageStream, type WorkerPool } from '../../base/index.ts'
import { ObjectCache, ObjectReader, type PackSetHandle, type PackSets } from '../odb/index.ts'
import type { FetchTask } from './fetch-task.ts'
import { type FetchEvent, fetchEvents } from './fetch.ts'
import { type FetchRepository, openFetchRepository } from './repository.ts'

export interface FetchJob {
  readonly packs: PackSetHandle
  readonly task: FetchTask
}

/** What comes back: events, but for chunks, whose bytes follow a `chunks` message; `end` at last. */
type FetchMessage = Exclude<FetchEvent, { type: 'chunk' }> | { readonly type: 'chunks' } | { readonly type: 'end' }

/** Repositories that this thread serves: what was parsed for one request is there for the next, as long as no pack was added. */
const mostRepositories = 4
const cacheBytes = 24 << 20

export class FetchRepositories {
  readonly #sets: PackSets
  readonly #open = new Map<string, { readonly lineage: number; readonly packs: number; readonly repository: FetchRepository }>()

  constructor(sets: PackSets) {
    this.#sets = sets
  }

  open(handle: PackSetHandle): FetchRepository {
    const known = this.#open.get(handle.networkId)
    this.#open.delete(handle.networkId)
    const isCurrent = known && known.lineage === handle.lineage && known.packs === handle.packs.length
    const entry = isCurrent
      ? known
      : { lineage: handle.lineage, packs: handle.packs.length, repository: this.#make(handle) }
    this.#open.set(handle.networkId, entry)
    if (this.#open.size > mostRepositories) this.#open.delete(this.#open.keys().next().value as string)
    return entry.repository
  }

  #make(handle: PackSetHandle): FetchRepository {
    const set = this.#sets.open(handle)
    return openFetchRepository(set, new ObjectReader(set, new ObjectCache(cacheBytes)))
  }
}

/** In the worker. Errors go to the other end; a client that has gone ends the work. */
export async function fetchJob(job: FetchJob, port: MessagePort, repositories: FetchRepositories): Promise<void> {
  const main = new MessageStream<never>(port)
  const gone = new AbortController()
  port.once('close', () => gone.abort(new Error('the client has gone')))
  const send = (message: FetchMessage) => main.send(message)
  let inChunks = false
  try {
    for await (const event of fetchEvents(repositories.open(job.packs), job.task, gone.signal)) {
      if (gone.signal.aborted) return
      if (event.type === 'chunk') {
        if (!inChunks) send({ type: 'chunks' })
        inChunks = true
        await main.sendBytes(event.bytes, true)
        continue
      }
      if (inChunks) main.endBytes()
      inChunks = false
      send(event)
    }
    if (inChunks) main.endBytes()
    send({ type: 'end' })
  } catch (error) {
    if (!gone.signal.aborted) main.fail(error)
  }
}

/**
 * In the main thread: runs the job, and hands its events to `use` (which `answerFetch` turns into the answer). Rejects as `fetchEvents` and
 * `use` do; UnavailableError('worker') when the worker died.
 */
export async function runFetch<T>(workers: WorkerPool, job: FetchJob, use: (events: AsyncIterable<FetchEvent>) => Promise<T>): Promise<T> {
  return await workers.run('fetch', job, [], (port) => use(received(port)))
}

async function* received(port: MessagePort): AsyncGenerator<FetchEvent, void, undefined> {
  const worker = new MessageStream<FetchMessage>(port)
  for (;;) {
    const message = await worker.message()
    if (message.type === 'end') return
    if (message.type === 'chunks') for await (const bytes of worker.bytes()) yield { type: 'chunk', bytes }
    else yield message
  }
}
