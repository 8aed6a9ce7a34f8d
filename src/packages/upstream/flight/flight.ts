// A flight: one fetch of one file (a blob, a tarball) from its upstream, and everybody who reads along. The fetch writes a spool file at the upstream's pace; each reader
// goes through it at his own, from wherever he begins. The last byte is given out when the digest of all is right: nobody comes to a good end of wrong bytes.
import { createHash, type Hash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { UnavailableError } from '../../../base/index.ts'
import { failed, type Failure, type OpenBody, type Outcome } from '../client/connection.ts'
import { failureOf } from '../client/asking.ts'
import { FlightReader } from './flight-reader.ts'
import type { GrowingFile } from './growing-file.ts'

export interface FlightOptions {
  /** `sha256:…` or `sha512:…` */
  readonly digest: string
  /** As whatever names it says; null: not known. Another size is a failure. */
  readonly sizeBytes: number | null
  readonly limitBytes: number
  readonly file: GrowingFile
  /** Begins at `from`, or before it where the upstream gives no ranges. */
  readonly open: (from: number, signal: AbortSignal) => Promise<Outcome<OpenBody>>
  /** Between tries, growing with each. */
  readonly retryMs: number
}

export interface FlightReading {
  readonly from: number
  /** Without it; null: to the end. */
  readonly to: number | null
  readonly isClient: boolean
}

export const mostTries = 4
/** A file of no more is fetched to its end though nobody waits for it. */
const alwaysFetchedBytes = 16 << 20

export class Flight {
  readonly #options: FlightOptions
  readonly #hash: Hash
  readonly #ending = new AbortController()
  /** Readers that have read all that there is yet. */
  readonly #waiting = new Set<() => void>()
  readonly #begun = Promise.withResolvers<Outcome<number | null>>()
  #sizeBytes: number | null
  #clients = 0
  #ended: { readonly failure: Failure | null } | null = null

  constructor(options: FlightOptions) {
    this.#options = options
    this.#sizeBytes = options.sizeBytes
    this.#hash = createHash(options.digest.split(':', 1)[0] ?? '')
  }

  /** Resolves when the upstream has answered at all: with the size where it is known. */
  get begun(): Promise<Outcome<number | null>> {
    return this.#begun.promise
  }

  get sizeBytes(): number | null {
    return this.#sizeBytes
  }

  /** Fetches to the end. Null: all bytes are there, and right. Throws only faults of ours, which its readers get, too. */
  async run(): Promise<Failure | null> {
    let failure: Failure | null
    try {
      failure = await this.#fetch()
    } catch (error) {
      this.#end(failed('unreachable', 'the fetch ended by a fault of this server'))
      throw error
    }
    this.#end(failure)
    return failure
  }

  /** Whether it has been told to end: nobody was left, or the server stops. Who comes then waits for another. */
  get isLeft(): boolean {
    return this.#ending.signal.aborted
  }

  /** Ends it, whoever reads. */
  abort(): void {
    this.#ending.abort(new Error('the server stops'))
  }

  /**
   * The bytes from there on (to there, without it), as they come; `isClient` readers keep the fetch going. Null: the flight is over, its file closed. To be iterated to its end, or
   * returned. UnavailableError `upstream-file` where the fetch fails: then what was given is not all of it.
   */
  read({ from, to, isClient }: FlightReading): FlightReader | null {
    const { file } = this.#options
    if (!file.hold()) return null
    if (isClient) this.#clients++
    return new FlightReader({
      from,
      file,
      end: () => this.#endFor(to ?? Number.POSITIVE_INFINITY),
      waiting: this.#waiting,
      left: async () => {
        if (isClient && --this.#clients === 0) this.#left()
        await file.letGo()
      },
    })
  }

  /** How far a reader may go now, and whether that is his end. */
  #endFor(to: number): { readonly at: number; readonly isLast: boolean } {
    if (this.#ended !== null && this.#ended.failure !== null) {
      throw new UnavailableError('upstream-file', this.#ended.failure.message)
    }
    const here = Math.min(this.#options.file.sizeBytes, to)
    return this.#ended === null ? { at: here - 1, isLast: false } : { at: here, isLast: true }
  }

  async #fetch(): Promise<Failure | null> {
    const { digest, limitBytes, file } = this.#options
    let failure: Failure | null = null
    for (let tries = 0; tries < mostTries; tries++) {
      const opened = await this.#open(file.sizeBytes)
      failure =
        opened.kind === 'found' ? await this.#take(opened.value) : opened.kind === 'missing' ? failed('wrong', 'the file is gone') : opened
      if (failure === null) break
      // what had not begun is told as it is; what is wrong stays wrong
      if (file.sizeBytes === 0 || failure.reason !== 'unreachable' || this.isLeft) return failure
      await sleep(this.#options.retryMs * tries, null, { signal: this.#ending.signal }).catch(() => null)
    }
    if (failure !== null) return failure
    if (this.#sizeBytes !== null && file.sizeBytes !== this.#sizeBytes) {
      return failed('wrong', `${digest} has ${file.sizeBytes} bytes there, not ${this.#sizeBytes}`)
    }
    if (file.sizeBytes > limitBytes) return failed('wrong', `${digest} has more than ${limitBytes} bytes`)
    const found = `${digest.split(':', 1)[0]}:${this.#hash.digest('hex')}`
    return found === digest ? null : failed('wrong', `the bytes of ${digest} have the digest ${found}`)
  }

  async #open(from: number): Promise<Outcome<OpenBody>> {
    let opened: Outcome<OpenBody>
    try {
      opened = await this.#options.open(from, this.#ending.signal)
    } catch (error) {
      if (!this.isLeft) throw error
      opened = leftAlone()
    }
    if (opened.kind !== 'found') {
      this.#begun.resolve(opened)
      return opened
    }
    const { sizeBytes, body } = opened.value
    const { limitBytes, digest } = this.#options
    const isOther = sizeBytes !== null && this.#sizeBytes !== null && sizeBytes !== this.#sizeBytes
    const isTooMuch = sizeBytes !== null && sizeBytes > limitBytes
    if (isOther || isTooMuch) {
      await body[Symbol.asyncIterator]().return?.()
      const failure = failed(
        'wrong',
        `${digest} has ${sizeBytes} bytes there, and ${isOther ? this.#sizeBytes : limitBytes} is what it may have`,
      )
      this.#begun.resolve(failure)
      return failure
    }
    this.#sizeBytes ??= sizeBytes
    this.#begun.resolve({ kind: 'found', value: this.#sizeBytes })
    return opened
  }

  /** Null when the body came to its end. */
  async #take({ from, body }: OpenBody): Promise<Failure | null> {
    const { file, limitBytes } = this.#options
    let skip = file.sizeBytes - from // where the upstream began anew
    const most = Math.min(this.#sizeBytes ?? limitBytes, limitBytes)
    try {
      for await (const bytes of body) {
        const piece = bytes.subarray(Math.min(skip, bytes.length))
        skip -= bytes.length - piece.length
        if (piece.length === 0) continue
        if (file.sizeBytes + piece.length > most) return failed('wrong', `${this.#options.digest} has more than ${most} bytes there`)
        this.#hash.update(piece)
        await file.append(piece)
        this.#move()
      }
    } catch (error) {
      return this.isLeft ? leftAlone() : failureOf(error)
    }
    const isShort = this.#sizeBytes !== null && file.sizeBytes < this.#sizeBytes
    return isShort ? failed('unreachable', 'the file ended before its end') : null
  }

  /** Nobody reads any more. */
  #left(): void {
    if (this.#ended !== null) return
    const here = this.#options.file.sizeBytes
    const all = this.#sizeBytes
    const isWorthIt = all === null ? here >= alwaysFetchedBytes : all <= alwaysFetchedBytes || here * 2 >= all
    if (!isWorthIt) this.#ending.abort(new Error('nobody reads the file any more'))
  }

  #end(failure: Failure | null): void {
    this.#ended = { failure }
    this.#begun.resolve(failure ?? { kind: 'found', value: this.#sizeBytes })
    this.#move()
  }

  #move(): void {
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const wake of waiting) wake()
  }
}

function leftAlone(): Failure {
  return failed('unreachable', 'nobody reads the file any more')
}
