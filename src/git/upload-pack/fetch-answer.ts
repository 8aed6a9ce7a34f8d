// A fetch's events as the bytes of the answer: preamble, then the pack in side-band frames, its trailer, progress and keep-alives.
import { createHash } from 'node:crypto'
import { InputError } from '../../base/index.ts'
import type { ObjectFormat } from '../format/object-id.ts'
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
        this.#hashed = !event.trailer
        for await (const bytes of this.#options.region(event.region)) {
          if (this.#hashed) this.#hash.update(bytes)
          await this.#frames.data(bytes)
        }
    }
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
