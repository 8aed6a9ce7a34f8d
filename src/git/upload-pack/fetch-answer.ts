// A fetch's events as the bytes of the answer: preamble, then the pack in side-band frames, its trailer, progress and keep-alives.
import { createHash } from 'node:crypto'
import { equalBytes, InputError } from '../../base/index.ts'
import { hashBytes, type ObjectFormat } from '../format/object-id.ts'
import { PACK_HEADER_BYTES } from '../format/pack.ts'
import type { FetchEvent } from './fetch.ts'
import { errorPacket } from './negotiation.ts'
import { RegionCheck } from './region-check.ts'
import type { FetchRequest } from './request.ts'
import type { PackRegion } from './run-bytes.ts'
import { type FrameSink, SidebandWriter } from './sideband.ts'

export interface AnswerOptions {
  readonly request: FetchRequest
  readonly format: ObjectFormat
  /** Bytes of a stored pack, in order. */
  readonly region: (region: PackRegion) => AsyncIterable<Uint8Array>
  /** Header and trailer, by its id, of each pack whose trailer was once found right; kept from one answer to the next. */
  readonly packEnds?: Map<number, Uint8Array>
  /** Aborted when nobody reads the answer any more. */
  readonly gone?: AbortSignal
  /** Between empty frames while nothing else is sent. Default 5 seconds, as git. */
  readonly keepAliveMs?: number
}

const corruption = 'aborting due to possible repository corruption on the remote side.'

/**
 * Writes the whole answer. An InputError is told to the client and ends the answer; any other error is told in general words and thrown again
 * (the caller then breaks the connection off).
 */
export async function answerFetch(events: AsyncIterable<FetchEvent>, sink: FrameSink, options: AnswerOptions): Promise<void> {
  const answer = new FetchAnswer(sink, options)
  const timer = setInterval(() => answer.keepAlive(), options.keepAliveMs ?? 5000)
  try {
    for await (const event of events) await answer.take(event)
    await answer.end()
  } catch (error) {
    await answer.fail(error)
    if (!(error instanceof InputError)) throw error
  } finally {
    clearInterval(timer)
  }
}

class FetchAnswer {
  readonly #sink: FrameSink
  readonly #options: AnswerOptions
  readonly #frames: SidebandWriter
  readonly #hash: ReturnType<typeof createHash>
  #inPack = false
  #hashed = true

  constructor(sink: FrameSink, options: AnswerOptions) {
    this.#sink = sink
    this.#options = options
    this.#frames = new SidebandWriter(sink, options.request.sideband)
    this.#hash = createHash(options.format)
  }

  async take(event: FetchEvent): Promise<void> {
    switch (event.type) {
      case 'preamble':
        await this.#sink.write(event.bytes)
        this.#inPack = event.pack
        return
      case 'progress':
        if (!this.#options.request.noProgress) await this.#frames.progress(event.text)
        return
      case 'chunk':
        this.#hash.update(event.bytes)
        await this.#frames.data(event.bytes)
        return
      case 'region':
        await (event.trailer ? this.#wholePack(event.region) : this.#region(event.region))
    }
  }

  /**
   * A stored pack as it stands. Its last bytes are sent when they are right: else no client can take it for whole. They are the hash of all
   * before them; once that was seen, the entries' CRCs and the same bytes at both ends say as much for half the price.
   */
  async #wholePack(region: PackRegion): Promise<void> {
    const known = this.#options.packEnds?.get(region.packId)
    const ends = new Uint8Array(PACK_HEADER_BYTES + hashBytes(this.#options.format))
    const trailer = ends.subarray(PACK_HEADER_BYTES)
    const trailerAt = region.sizeBytes - trailer.length
    let at = 0
    for await (const bytes of this.#checked(region)) {
      const own = bytes.subarray(0, Math.max(0, trailerAt - at))
      if (at < PACK_HEADER_BYTES) ends.set(own.subarray(0, PACK_HEADER_BYTES - at), at)
      if (own.length < bytes.length) trailer.set(bytes.subarray(own.length), Math.max(0, at - trailerAt))
      at += bytes.length
      if (!known) this.#hash.update(own)
      await this.#frames.data(own)
    }
    if (!equalBytes(known ?? this.#hash.digest(), known ? ends : trailer)) {
      throw new RegionCheck(region).corrupt('do not agree with their own trailer')
    }
    if (!known) this.#options.packEnds?.set(region.packId, ends)
    this.#hashed = false
    await this.#frames.data(trailer)
  }

  async #region(region: PackRegion): Promise<void> {
    for await (const bytes of this.#checked(region)) {
      this.#hash.update(bytes)
      await this.#frames.data(bytes)
    }
  }

  /** A client that finds stored bytes wrong leaves at once: what it has got a part of is still checked, so that somebody hears of it. */
  async *#checked(region: PackRegion): AsyncGenerator<Uint8Array, void, undefined> {
    const check = new RegionCheck(region)
    let last = Number.POSITIVE_INFINITY
    for await (const bytes of this.#options.region(region)) {
      check.take(bytes)
      if (this.#options.gone?.aborted) {
        last = Math.min(last, check.passed)
        if (check.passed > last) this.#options.gone.throwIfAborted()
      }
      yield bytes
    }
    check.end()
  }

  keepAlive(): void {
    if (this.#inPack) this.#frames.keepAlive()
  }

  async end(): Promise<void> {
    if (!this.#inPack) return
    if (this.#hashed) await this.#frames.data(this.#hash.digest())
    await this.#frames.end()
  }

  async fail(error: unknown): Promise<void> {
    if (this.#inPack) await this.#frames.fatal(corruption)
    else await this.#sink.write(errorPacket(error instanceof InputError ? error.message : 'the server failed; try again later'))
  }
}
