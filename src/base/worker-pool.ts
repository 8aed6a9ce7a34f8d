// Worker threads for work that would hold up the event loop. A job is a payload and a message port of its own; what passes over the
// port is the job's business (message-stream.ts carries bytes with back-pressure). Any number of jobs may share a worker: they take turns
// whenever one waits. Who runs jobs bounds their number by what they cost (places.ts).
import { availableParallelism } from 'node:os'
import { setTimeout } from 'node:timers/promises'
import { MessageChannel, type MessagePort, parentPort, type Transferable, Worker } from 'node:worker_threads'
import { UnavailableError } from './errors.ts'
import { childSpan } from './tracing.ts'

export interface WorkerPoolOptions {
  /** The module that calls `serveJobs`. */
  readonly entry: URL
  /** Handed to each worker as `workerData`. */
  readonly data: unknown
  /** Threads at most; they are started when needed and kept. Default: one for each core, 2 at least. */
  readonly threads?: number
  /** Of JavaScript's objects in one thread: a job that needs more ends it (`isOutOfMemory`). */
  readonly heapMiB?: number
  /** Told when a worker died of itself; its jobs have failed with UnavailableError('worker'). */
  readonly onCrash?: (error: unknown) => void
}

interface Seat {
  readonly worker: Worker
  readonly ports: Set<MessagePort>
  failed: unknown
  /** Resolves when it has failed. */
  readonly gone: Promise<void>
}

/** A worker that dies closes its ports first, and is said to be dead soon after. */
const mostDyingMs = 2000

/** A job under way. */
export interface StartedJob {
  readonly port: MessagePort
  /** The worker is rid of it; more calls do nothing. */
  end(): void
  /** What an error in talking to it means: UnavailableError('worker') when the worker died, else the error itself. */
  explain(cause: unknown): unknown
  /** Of a job that ended without an answer: resolves when `explain` knows whether its worker died. */
  settled(): Promise<void>
}

interface JobMessage {
  readonly kind: string
  readonly payload: unknown
  readonly port: MessagePort
}

export class WorkerPool {
  readonly #options: Required<Pick<WorkerPoolOptions, 'threads'>> & WorkerPoolOptions
  #seats: Seat[] = []
  #closed = false
  #started = 0
  #crashed = 0

  constructor(options: WorkerPoolOptions) {
    this.#options = { threads: Math.max(2, availableParallelism()), ...options }
  }

  /**
   * Starts a job in the least busy worker. `use` talks to it over the port; the worker is rid of the job when either of them is done.
   * When the worker dies, the port closes: `use` sees that as the end of its messages, and `run` throws UnavailableError('worker').
   * So it is when `signal` is aborted; then `run` throws its reason.
   */
  async run<T>(
    kind: string,
    payload: unknown,
    transfer: readonly Transferable[],
    use: (port: MessagePort) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    signal?.throwIfAborted()
    const job = this.start(kind, payload, transfer)
    signal?.addEventListener('abort', job.end, { once: true })
    try {
      return await use(job.port)
    } catch (cause) {
      signal?.throwIfAborted()
      if (cause instanceof UnavailableError && cause.code === 'worker') await job.settled()
      throw job.explain(cause)
    } finally {
      signal?.removeEventListener('abort', job.end)
      job.end()
    }
  }

  /** The same for a job that outlives the call: whoever starts it ends it. */
  start(kind: string, payload: unknown, transfer: readonly Transferable[] = []): StartedJob {
    const seat = this.#seat()
    const { port1, port2 } = new MessageChannel()
    const span = childSpan(`worker ${kind}`)
    this.#started++
    seat.ports.add(port1)
    // the worker closes its end when it is done, which may be long before what it made has been used up
    port1.once('close', () => seat.ports.delete(port1))
    const end = () => {
      port1.close()
      seat.ports.delete(port1)
      span?.end(seat.failed)
    }
    try {
      seat.worker.postMessage({ kind, payload, port: port2 } satisfies JobMessage, [port2, ...transfer])
    } catch (error) {
      end()
      throw error
    }
    const explain = (cause: unknown) =>
      seat.failed === undefined ? cause : new UnavailableError('worker', 'the worker thread ended', { cause: seat.failed })
    const settled = async () => {
      if (seat.failed === undefined) await Promise.race([seat.gone, setTimeout(mostDyingMs, undefined, { ref: false })])
    }
    return { port: port1, end, explain, settled }
  }

  /** Threads and jobs now; jobs started and threads died so far. */
  get counts(): { readonly threads: number; readonly running: number; readonly started: number; readonly crashed: number } {
    const running = this.#seats.reduce((sum, seat) => sum + seat.ports.size, 0)
    return { threads: this.#seats.length, running, started: this.#started, crashed: this.#crashed }
  }

  /** Starts all threads now, so that no request waits for one to load its code. */
  warm(): void {
    while (this.#seats.length < this.#options.threads) this.#start()
  }

  /** Ends all workers; jobs that still run fail. */
  async close(): Promise<void> {
    this.#closed = true
    await Promise.all(this.#seats.map((seat) => seat.worker.terminate()))
  }

  #seat(): Seat {
    if (this.#closed) throw new UnavailableError('worker', 'the server is stopping')
    const idle = this.#seats.find((seat) => seat.ports.size === 0)
    if (idle) return idle
    if (this.#seats.length < this.#options.threads) return this.#start()
    return this.#seats.reduce((a, b) => (b.ports.size < a.ports.size ? b : a))
  }

  #start(): Seat {
    const { entry, data, heapMiB } = this.#options
    const resourceLimits = heapMiB === undefined ? {} : { maxOldGenerationSizeMb: heapMiB }
    const worker = new Worker(entry, { workerData: data, resourceLimits })
    const { promise, resolve } = Promise.withResolvers<void>()
    const seat: Seat = { worker, ports: new Set(), failed: undefined, gone: promise }
    const gone = (error: unknown) => {
      if (seat.failed !== undefined) return
      seat.failed = error
      resolve()
      this.#seats = this.#seats.filter((other) => other !== seat)
      for (const port of seat.ports) port.close()
      if (this.#closed) return
      this.#crashed++
      this.#options.onCrash?.(error)
    }
    worker.on('error', gone)
    worker.on('exit', (code) => gone(new Error(`the worker ended with code ${code}`)))
    worker.unref()
    this.#seats.push(seat)
    return seat
  }
}

/** A job's thread ended because it needed more memory than it may have. */
export function isOutOfMemory(error: unknown): boolean {
  return error instanceof UnavailableError && (error.cause as { readonly code?: unknown } | undefined)?.code === 'ERR_WORKER_OUT_OF_MEMORY'
}

/** In a worker: runs each job by its kind. A handler's own errors are its business to report over the port; the port closes at its end. */
export function serveJobs(handlers: Record<string, (payload: never, port: MessagePort) => Promise<void>>): void {
  parentPort?.on('message', ({ kind, payload, port }: JobMessage) => {
    const handler = handlers[kind]
    if (!handler) throw new Error(`no such job: ${kind}`)
    void handler(payload as never, port).finally(() => port.close())
  })
}
