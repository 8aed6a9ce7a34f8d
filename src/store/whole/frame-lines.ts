// Lines to the threads that hash, sum and write frames (frame-job.ts). A hash stays in the thread of the line that it was begun on.
import { type StartedJob, UnavailableError, type WorkerPool } from '../../base/index.ts'
import type { UploadAlgorithm } from '../content-uploads.ts'
import type { FrameAnswer, FrameMessage, FrameTarget } from './frame-job.ts'

export type { FrameTarget } from './frame-job.ts'

/** A hash in a thread: it is dropped there when nobody holds it here any more. */
export interface HeldHash {
  readonly line: FrameLine
  readonly hash: number
}

const left = new FinalizationRegistry<HeldHash>(({ line, hash }) => line.drop(hash))

export class FrameLine {
  readonly #job: StartedJob
  /** In the order of their messages. */
  readonly #waiting: PromiseWithResolvers<FrameAnswer>[] = []
  #hashes = 0
  #isClosed = false
  #hasDied = false
  /** Nobody waits any more, and it is closed. */
  readonly #ended = Promise.withResolvers<void>()

  constructor(job: StartedJob) {
    this.#job = job
    job.port.on('message', (answer: FrameAnswer) => this.#answered(answer))
    job.port.once('close', () => void this.#closed())
    job.port.unref()
  }

  /** Its thread has ended, or the server stops: what was hashed there is lost. */
  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Messages that wait for an answer. */
  get waiting(): number {
    return this.#waiting.length
  }

  begin(algorithm: UploadAlgorithm): HeldHash {
    const hash = this.#hashes++
    this.#post({ kind: 'begin', hash, algorithm })
    return this.#hold(hash)
  }

  copy(of: number): HeldHash {
    const hash = this.#hashes++
    this.#post({ kind: 'copy', hash, of })
    return this.#hold(hash)
  }

  drop(hash: number): void {
    this.#post({ kind: 'drop', hash })
  }

  /** The frame's CRC-32, when it has been hashed and written. System errors of the file; UnavailableError 'worker'. */
  async add(bytes: Uint8Array, hash: number | null, target: FrameTarget | null): Promise<number> {
    const answer = await this.#ask({ kind: 'add', bytes, hash, target })
    if ('failure' in answer) throw Object.assign(new Error(answer.failure.message), { code: answer.failure.code })
    return (answer as Extract<FrameAnswer, { readonly crc: number }>).crc
  }

  /** Of what was added so far. UnavailableError 'worker'. */
  async digest(hash: number): Promise<Extract<FrameAnswer, { readonly sha256: Uint8Array }>> {
    return (await this.#ask({ kind: 'digest', hash })) as Extract<FrameAnswer, { readonly sha256: Uint8Array }>
  }

  /** Takes no more. Resolves when all is answered: while a thread is at a frame, its memory and its file must stay what they are. */
  async close(): Promise<void> {
    this.#isClosed = true
    if (this.#waiting.length === 0) this.#end()
    await this.#ended.promise
  }

  #hold(hash: number): HeldHash {
    const held = { line: this, hash }
    left.register(held, { line: this, hash })
    return held
  }

  #post(message: FrameMessage): void {
    if (!this.#isClosed) this.#job.port.postMessage(message)
  }

  async #ask(message: FrameMessage): Promise<FrameAnswer> {
    if (this.#isClosed) throw await this.#explanation()
    const asked = Promise.withResolvers<FrameAnswer>()
    if (this.#waiting.length === 0) this.#job.port.ref() // the process stays for an answer
    this.#waiting.push(asked)
    this.#job.port.postMessage(message)
    return await asked.promise
  }

  #answered(answer: FrameAnswer): void {
    this.#waiting.shift()?.resolve(answer)
    if (this.#waiting.length > 0) return
    this.#job.port.unref()
    if (this.#isClosed) this.#end()
  }

  #end(): void {
    this.#job.end()
    this.#ended.resolve()
  }

  /** The port is closed: by `#end`, or because the thread has ended, which is at nothing any more then. */
  async #closed(): Promise<void> {
    const lost = this.#waiting.splice(0)
    this.#hasDied ||= !this.#isClosed || lost.length > 0
    this.#isClosed = true
    this.#end()
    const explanation = await this.#explanation()
    for (const asked of lost) asked.reject(explanation)
  }

  async #explanation(): Promise<unknown> {
    if (this.#hasDied) await this.#job.settled()
    return this.#job.explain(new UnavailableError('worker', 'the server is stopping'))
  }
}

/** One line to each of some threads, which are started when something large arrives for the first time. */
export class FrameLines {
  readonly #workers: WorkerPool
  readonly #count: number
  /** The one that was taken last stands at the end. */
  #lines: readonly FrameLine[] = []
  #isClosed = false

  /** @param workers `serveJobs` with `frames: frameJob` */
  constructor(workers: WorkerPool, count: number) {
    this.#workers = workers
    this.#count = count
  }

  /** The one with the least to do; of several, the one that was taken longest ago. UnavailableError 'worker' behind `close`. */
  line(): FrameLine {
    if (this.#isClosed) throw new UnavailableError('worker', 'the server is stopping')
    const open = this.#lines.filter((line) => !line.isClosed)
    const [least] = open.toSorted((a, b) => a.waiting - b.waiting)
    const isFree = least !== undefined && (least.waiting === 0 || open.length >= this.#count)
    const line = isFree ? least : new FrameLine(this.#workers.start('frames', {}))
    this.#lines = [...open.filter((other) => other !== line), line]
    return line
  }

  /** Frames that are under way are hashed and written; what comes later fails. */
  async close(): Promise<void> {
    this.#isClosed = true
    await Promise.all(this.#lines.map((line) => line.close()))
  }
}
