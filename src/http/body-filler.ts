// A request's body read into memory of the taker's: no piece of it waits anywhere, and its memory is given back as soon as it was copied. To be read by the stream's
// iterator a body costs a promise and a copy more for each 64 KiB, and a full collection for each 64 MiB or so.
import type { IncomingMessage } from 'node:http'
import { freePiece, InputError, LeastPace, type PaceLimits } from '../base/index.ts'

const nothing = new Uint8Array()

export class BodyFiller {
  readonly #raw: IncomingMessage
  readonly #limitBytes: number
  readonly #pace: LeastPace
  /** Came with what filled the memory, and is behind it. */
  #rest: Uint8Array = nothing
  #totalBytes = 0
  #failure: Error | null = null

  constructor(raw: IncomingMessage, limitBytes: number, limits: PaceLimits) {
    this.#raw = raw
    this.#limitBytes = limitBytes
    this.#pace = new LeastPace(limits)
    if (Number(raw.headers['content-length'] ?? 0) > limitBytes) this.#failure = tooLarge(limitBytes)
  }

  /** As `ByteSource.fill`. InputError `too-large`, `slow-body`, `client-gone`. */
  async fill(memory: Uint8Array): Promise<number> {
    const filled = this.#take(this.#rest, memory)
    const isMore = filled < memory.length && this.#failure === null && !this.#isEnded
    const sizeBytes = isMore ? await this.#listen(memory, filled) : filled
    if (sizeBytes === 0 && memory.length > 0 && this.#failure !== null) throw this.#failure
    return sizeBytes
  }

  get #isEnded(): boolean {
    return this.#raw.readableEnded && this.#raw.complete
  }

  #take(piece: Uint8Array, memory: Uint8Array): number {
    const sizeBytes = Math.min(piece.length, memory.length)
    memory.set(piece.subarray(0, sizeBytes))
    const isTaken = sizeBytes === piece.length
    this.#rest = isTaken ? nothing : piece.subarray(sizeBytes)
    if (isTaken && piece !== nothing) freePiece(piece)
    return sizeBytes
  }

  // Counts only time spent waiting for the client: a slow consumer (us) is not the client's fault.
  #listen(memory: Uint8Array, from: number): Promise<number> {
    const raw = this.#raw
    const { promise, resolve } = Promise.withResolvers<number>()
    let filled = from
    let sinceMs = performance.now()
    const waited = (): void => {
      const nowMs = performance.now()
      this.#pace.waited(nowMs - sinceMs)
      sinceMs = nowMs
    }
    const arrived = (piece: Uint8Array): void => {
      waited()
      this.#pace.arrived(piece.length)
      this.#totalBytes += piece.length
      if (this.#totalBytes > this.#limitBytes) return fail(tooLarge(this.#limitBytes))
      filled += this.#take(piece, memory.subarray(filled))
      if (filled === memory.length) done()
    }
    const gone = (): void => {
      if (!this.#isEnded) this.#failure ??= new InputError('client-gone', 'The connection ended before the request body did')
      done()
    }
    const late = (): void => {
      waited()
      if (this.#pace.leftMs === 0) fail(new InputError('slow-body', 'The request body arrived too slowly'))
      else timer = setTimeout(late, this.#pace.leftMs)
    }
    const fail = (error: Error): void => {
      this.#failure = error
      done()
    }
    const done = (): void => {
      clearTimeout(timer)
      raw.pause()
      raw.off('data', arrived)
      for (const event of ends) raw.off(event, gone)
      resolve(filled)
    }
    let timer = setTimeout(late, this.#pace.leftMs)
    if (raw.destroyed || raw.readableEnded) gone()
    else {
      for (const event of ends) raw.on(event, gone)
      raw.on('data', arrived)
      raw.resume()
    }
    return promise
  }
}

const ends = ['end', 'close', 'error'] as const

export function tooLarge(limitBytes: number): InputError {
  return new InputError('too-large', `The request body is larger than ${limitBytes} bytes`)
}
