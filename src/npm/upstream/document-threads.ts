// The main thread's end of what is done with upstreams' documents in threads.
import { InputError, isOutOfMemory, type Log, MessageStream, UnavailableError, WorkerPool } from '../../base/index.ts'
import type { DistsJob, RenderedDocument, RenderJob, TakeJob, TakenDocument } from './document-jobs.ts'

const threads = 2
/** Of JavaScript's objects in one thread: the largest documents take about eight times their bytes. */
const heapMiB = 768
/** Threads that have nothing to do for so long end: they hold on to what the largest documents took. */
const idleMs = 30_000

/** Lives as long as the server; its threads are started when they are needed. */
export class DocumentThreads {
  readonly #log: Log
  #workers: WorkerPool | null = null
  #running = 0
  #idle: NodeJS.Timeout | null = null
  #isClosed = false

  constructor(log: Log) {
    this.#log = log
  }

  /** The bytes are handed over. InputError `bad-document`, `document-large`. */
  take(job: TakeJob): Promise<TakenDocument> {
    const { buffer, byteLength } = job.bytes
    return this.#run('take', job, buffer instanceof ArrayBuffer && buffer.byteLength === byteLength ? [buffer] : [])
  }

  render(job: RenderJob): Promise<RenderedDocument> {
    return this.#run('render', job, [])
  }

  /** `distLines` of the document. */
  dists(job: DistsJob): Promise<string> {
    return this.#run('dists', job, [])
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#end()
  }

  async #end(): Promise<void> {
    if (this.#idle !== null) clearTimeout(this.#idle)
    const workers = this.#workers
    this.#workers = null
    await workers?.close()
  }

  #start(): WorkerPool {
    if (this.#isClosed) throw new UnavailableError('worker', 'the server is stopping')
    if (this.#idle !== null) clearTimeout(this.#idle)
    this.#workers ??= new WorkerPool({
      entry: new URL('./document-worker.ts', import.meta.url),
      data: null,
      threads,
      heapMiB,
      onCrash: (error) =>
        this.#log.error({ err: error }, 'a worker thread that reads upstreams’ documents ended by itself; its requests failed'),
    })
    return this.#workers
  }

  async #run<T>(kind: string, job: object, transfer: readonly ArrayBuffer[]): Promise<T> {
    const workers = this.#start()
    this.#running++
    try {
      return await workers.run(kind, job, transfer, (port) => new MessageStream<T>(port).message())
    } catch (error) {
      if (!isOutOfMemory(error)) throw error
      throw new InputError('document-large', 'its document takes more memory than there is for one', { cause: error })
    } finally {
      if (--this.#running === 0) this.#idle = setTimeout(() => void this.#end(), idleMs).unref()
    }
  }
}
