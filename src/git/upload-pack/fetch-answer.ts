// A fetch's events as the bytes of the answer: preamble, then the pack in side-band frames, its trailer, progress and keep-alives.
import { createHash, type Hash } from 'node:crypto'
import { equalBytes, InputError, UnavailableError } from '../../base/index.ts'
import type { OpenValue } from '../../bucket/index.ts'
import { hashBytes, type ObjectFormat } from '../format/object-id.ts'
import { PACK_HEADER_BYTES } from '../format/pack.ts'
import { Band } from '../format/pkt-line.ts'
import type { AnswerEvent } from './cached-pack.ts'
import type { FrameBuffers } from './frame-buffers.ts'
import { RegionCheck } from './region-check.ts'
import type { FetchRequest } from './request.ts'
import type { PackRegion } from './run-bytes.ts'
import { errorPacket } from './section-writer.ts'
import { type FrameSink, SidebandWriter } from './sideband.ts'
import type { StretchSampler } from './stretch-sampler.ts'

export interface AnswerOptions {
  readonly request: FetchRequest
  readonly format: ObjectFormat
  /** Bytes of a stored pack, in order. */
  readonly region: (region: PackRegion) => AsyncIterable<Uint8Array>
  /** The same for reads into our own memory, where the pack is near; it is closed here. */
  readonly open?: (region: PackRegion) => Promise<OpenValue> | undefined
  readonly buffers?: FrameBuffers
  /** Chooses what is checked of packs that were sent before. Default: everything is. */
  readonly sampler?: StretchSampler
  /** Header and trailer, by its id, of each pack whose trailer was once found right; kept from one answer to the next. */
  readonly packEnds?: Map<number, Uint8Array>
  /** Aborted when nobody reads the answer any more. */
  readonly gone?: AbortSignal
  /** Between empty frames while nothing else is sent; 0: none are. Default 5 seconds, as git. */
  readonly keepAliveMs?: number
}

/** A timer that is to take longer goes off at once. */
const longestTimerMs = 2 ** 31 - 1
const corruption = 'aborting due to possible repository corruption on the remote side.'
const unavailable = 'the repository cannot be read at the moment; try again later'

/**
 * Writes the whole answer. An InputError is told to the client and ends the answer: false; any other error is told in general words and thrown again
 * (the caller then breaks the connection off).
 */
export async function answerFetch(events: AsyncIterable<AnswerEvent>, sink: FrameSink, options: AnswerOptions): Promise<boolean> {
  const answer = new FetchAnswer(sink, options)
  const { keepAliveMs = 5000 } = options
  const timer = keepAliveMs > 0 ? setInterval(() => answer.keepAlive(), Math.min(keepAliveMs, longestTimerMs)) : undefined
  try {
    for await (const event of events) await answer.take(event)
    await answer.end()
    return true
  } catch (error) {
    await answer.fail(error)
    if (!(error instanceof InputError)) throw error
    return false
  } finally {
    clearInterval(timer)
    answer.close()
  }
}

class FetchAnswer {
  readonly #sink: FrameSink
  readonly #options: AnswerOptions
  readonly #frames: SidebandWriter
  #hash: Hash | null // of what was sent of the pack; null while somebody else hashes
  #tell: ((trailer: Uint8Array) => void) | null = null
  #trailer: Uint8Array | null = null
  #inPack = false
  #ended = false // with its own trailer

  constructor(sink: FrameSink, options: AnswerOptions) {
    this.#sink = sink
    this.#options = options
    this.#frames = new SidebandWriter(sink, options.request.sideband, options.buffers)
    this.#hash = createHash(options.format)
  }

  async take(event: AnswerEvent): Promise<void> {
    switch (event.type) {
      case 'preamble':
        await this.#sink.write(event.bytes)
        this.#inPack = event.pack
        return
      case 'section':
        await this.#sink.write(event.bytes)
        return
      case 'progress':
        if (!this.#options.request.noProgress) await this.#frames.progress(event.text)
        return
      case 'chunk':
        this.#hash?.update(event.bytes)
        await this.#frames.data(event.bytes)
        return
      case 'region':
        return await (event.trailer ? this.#wholePack(event.region) : this.#region(event.region))
      case 'hash':
        this.#hash = event.state
        this.#tell = event.tell
        return
      case 'trailer':
        this.#trailer = event.bytes
    }
  }

  /**
   * A stored pack as it stands. Its last bytes are sent when they are right: else no client can take it for whole. They are the hash of all
   * before them; where both ends are known, the stretches' CRCs and the same bytes at both ends say as much for half the price.
   */
  async #wholePack(region: PackRegion): Promise<void> {
    const known = region.packEnds ?? this.#options.packEnds?.get(region.packId)
    const hash = known ? null : createHash(this.#options.format)
    const ends = new Uint8Array(PACK_HEADER_BYTES + hashBytes(this.#options.format))
    const trailer = ends.subarray(PACK_HEADER_BYTES)
    const trailerAt = region.sizeBytes - trailer.length
    await this.#send(region, trailerAt, (bytes, at) => {
      const own = bytes.subarray(0, Math.max(0, trailerAt - at))
      if (at < PACK_HEADER_BYTES) ends.set(own.subarray(0, PACK_HEADER_BYTES - at), at)
      if (own.length < bytes.length) trailer.set(bytes.subarray(own.length), Math.max(0, at - trailerAt))
      hash?.update(own)
    })
    if (!equalBytes(known ?? (hash as Hash).digest(), known ? ends : trailer)) {
      throw new RegionCheck(region).corrupt('do not agree with their own trailer')
    }
    if (!known) this.#options.packEnds?.set(region.packId, ends)
    this.#ended = true
    await this.#frames.data(trailer)
  }

  async #region(region: PackRegion): Promise<void> {
    await this.#send(region, region.sizeBytes, (bytes) => this.#hash?.update(bytes))
  }

  /**
   * Sends the region's first `sizeBytes`; `look` sees all of it, piece by piece, before it goes. A client that finds stored bytes wrong leaves at once:
   * what it has got a part of is still checked, so that somebody hears of it.
   */
  async #send(region: PackRegion, sizeBytes: number, look: (bytes: Uint8Array, at: number) => void): Promise<void> {
    const { gone, open, sampler } = this.#options
    const pass = region.packEnds ? sampler?.pass(region.packId, region.segments.ends.length) : undefined
    const check = new RegionCheck(region, pass)
    let last = Number.POSITIVE_INFINITY
    const take = (bytes: Uint8Array, at: number) => {
      check.take(bytes)
      look(bytes, at)
      if (!gone?.aborted) return
      last = Math.min(last, check.passed)
      if (check.passed > last) gone.throwIfAborted()
    }
    const value = await open?.(region)
    if (value) await this.#sendOpen(value, region, sizeBytes, take)
    else {
      let at = 0
      for await (const bytes of this.#options.region(region)) {
        take(bytes, at)
        await this.#frames.data(bytes.subarray(0, Math.max(0, sizeBytes - at)))
        at += bytes.length
      }
    }
    check.end()
  }

  /** From where the bytes are near: read to where they are sent from. */
  async #sendOpen(value: OpenValue, region: PackRegion, sizeBytes: number, take: (bytes: Uint8Array, at: number) => void): Promise<void> {
    try {
      await this.#frames.fill(sizeBytes, (targets, at) => value.read(targets, region.offset + at), take)
      const rest = new Uint8Array(region.sizeBytes - sizeBytes)
      if (rest.length > 0) {
        await value.read([rest], region.offset + sizeBytes)
        take(rest, sizeBytes)
      }
    } finally {
      await value.close()
    }
  }

  keepAlive(): void {
    // with sideband-all the sections before the pack are framed, too
    if (this.#options.request.sidebandAll) this.#frames.keepAlive(Band.progress)
    else if (this.#inPack) this.#frames.keepAlive()
  }

  async end(): Promise<void> {
    if (!this.#inPack) return
    if (!this.#ended) await this.#frames.data(this.#ownTrailer())
    await this.#frames.end()
  }

  #ownTrailer(): Uint8Array {
    if (this.#trailer !== null) return this.#trailer
    if (this.#hash === null) throw new Error('nobody has hashed the pack')
    const trailer = this.#hash.digest()
    this.#tell?.(trailer)
    return trailer
  }

  close(): void {
    this.#frames.close()
  }

  async fail(error: unknown): Promise<void> {
    if (this.#inPack) {
      const told = error instanceof UnavailableError ? unavailable : corruption
      await this.#frames.fatal(error instanceof InputError ? error.message : told)
    } else {
      const message = error instanceof InputError ? error.message : 'the server failed; try again later'
      await this.#sink.write(errorPacket(message, this.#options.request.sidebandAll))
    }
  }
}
