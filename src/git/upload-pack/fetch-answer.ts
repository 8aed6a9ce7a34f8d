// A fetch's events as the bytes of the answer: preamble, then the pack in side-band frames, its trailer, progress and keep-alives.
import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { CorruptError, equalBytes, InputError } from '../../base/index.ts'
import { hashBytes, type ObjectFormat } from '../format/object-id.ts'
import type { FetchEvent } from './fetch.ts'
import { errorPacket } from './negotiation.ts'
import type { PackRegion } from './pack-writer.ts'
import type { FetchRequest } from './request.ts'
import { type FrameSink, SidebandWriter } from './sideband.ts'

export interface AnswerOptions {
  readonly request: FetchRequest
  readonly format: ObjectFormat
  /** Bytes of a stored pack, in order. */
  readonly region: (region: PackRegion) => AsyncIterable<Uint8Array>
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

  /** A stored pack as it stands. Its last bytes are sent when they are the hash of all before them: else no client can take it for whole. */
  async #wholePack(region: PackRegion): Promise<void> {
    const trailer = new Uint8Array(hashBytes(this.#options.format))
    const trailerAt = region.sizeBytes - trailer.length
    let at = 0
    for await (const bytes of this.#options.region(region)) {
      const own = bytes.subarray(0, Math.max(0, trailerAt - at))
      if (own.length < bytes.length) trailer.set(bytes.subarray(own.length), Math.max(0, at - trailerAt))
      at += bytes.length
      this.#hash.update(own)
      await this.#frames.data(own)
    }
    if (at !== region.sizeBytes || !equalBytes(this.#hash.digest(), trailer)) throw corruptRegion(region, 'its own trailer')
    this.#hashed = false
    await this.#frames.data(trailer)
  }

  async #region(region: PackRegion): Promise<void> {
    let crc = 0
    for await (const bytes of this.#options.region(region)) {
      crc = crc32(bytes, crc)
      this.#hash.update(bytes)
      await this.#frames.data(bytes)
    }
    if (crc !== region.crc) throw corruptRegion(region, 'the CRCs in its index')
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

function corruptRegion({ packId, offset, sizeBytes }: PackRegion, what: string): CorruptError {
  return new CorruptError('stored-pack', `bytes ${offset} to ${offset + sizeBytes} of pack ${packId} do not agree with ${what}`)
}
