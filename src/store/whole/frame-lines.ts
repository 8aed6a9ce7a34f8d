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

  constructor(job: StartedJob) {
    this.#job = job
    job.port.on('message', (answer: FrameAnswer) => this.#answered(answer))
    job.port.on('close', () => this.#closed())
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

  /** Ends it; what waits fails. */
  close(): void {
    this.#job.end()
  }

  #hold(hash: number): HeldHash {
    const held = { line: this, hash }
    left.register(held, { line: this, hash })
    return held
  }

  #post(message: FrameMessage): void {
    if (!this.#isClosed) this.#job.port.postMessage(message)
  }

  #ask(message: FrameMessage): Promise<FrameAnswer> {
    const asked = Promise.withResolvers<FrameAnswer>()
    if (this.#isClosed) asked.reject(this.#explanation())
    else {
      if (this.#waiting.length === 0) this.#job.port.ref() // the process stays for an answer
      this.#waiting.push(asked)
      this.#job.port.postMessage(message)
    }
    return asked.promise
  }

  #answered(answer: FrameAnswer): void {
    this.#waiting.shift()?.resolve(answer)
    if (this.#waiting.length === 0) this.#job.port.unref()
  }

  #closed(): void {
    this.#isClosed = true
    for (const asked of this.#waiting.splice(0)) asked.reject(this.#explanation())
  }

  #explanation(): unknown {
    return this.#job.explain(new UnavailableError('worker', 'the server is stopping'))
  }
}

/** One line to each of some threads, which are started when something large arrives for the first time. */
export class FrameLines {
  readonly #workers: WorkerPool
  readonly #count: number
  #lines: FrameLine[] = []

  /** @param workers `serveJobs` with `frames: frameJob` */
  constructor(workers: WorkerPool, count: number) {
    this.#workers = workers
    this.#count = count
  }

  /** The one with the least to do. */
  line(): FrameLine {
    this.#lines = this.#lines.filter((line) => !line.isClosed)
    const [least] = this.#lines.toSorted((a, b) => a.waiting - b.waiting)
    if (least !== undefined && (least.waiting === 0 || this.#lines.length >= this.#count)) return least
    const line = new FrameLine(this.#workers.start('frames', null))
    this.#lines.push(line)
    return line
  }

  close(): void {
    for (const line of this.#lines) line.close()
  }
}
