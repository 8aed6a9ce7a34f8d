// A request's body as a stream of bytes with limits: for rooms whose bodies are far larger than memory.
// Chunked bodies and Content-Length ones look the same here; gzip is undone on the fly.
// The connection survives an early stop, so that the answer (413, 408) still reaches the client; the listener ends it afterwards.
import type { IncomingMessage } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import type { FastifyRequest } from 'fastify'
import { type ByteSource, InputError, LeastPace, type PaceLimits } from '../base/index.ts'
import { BodyFiller, tooLarge } from './body-filler.ts'
import type { HttpLimits } from './limits.ts'

export interface RequestBodyOptions {
  /** Most bytes, both as sent and after decompression. */
  readonly limitBytes: number
}

declare module 'fastify' {
  interface FastifyInstance {
    httpLimits: HttpLimits
  }
}

/**
 * The decoded body, read once, with back-pressure: nothing is read ahead of the consumer but a few chunks. Its least pace is the listener's.
 * Chunks belong to the consumer; a body that isn't inflated can be read into his own memory instead. InputError: `too-large`, `unsupported-encoding` (neither identity nor gzip), `malformed-gzip` (damaged or
 * cut off), `slow-body` (the client sends too little while we wait), `client-gone` (the connection ended first).
 * Content-Encoding as RFC 9110 §8.4.1: names are case-insensitive, x-gzip is gzip.
 */
export function requestBody(request: FastifyRequest, { limitBytes }: RequestBodyOptions): ByteSource {
  const encoding = (request.headers['content-encoding'] ?? 'identity').trim().toLowerCase()
  const reader = new BodyReader(request.raw, limitBytes, request.server.httpLimits)
  if (encoding === 'identity' || encoding === '') {
    const filler = new BodyFiller(request.raw, limitBytes, request.server.httpLimits)
    return { [Symbol.asyncIterator]: () => reader.chunks(), fill: (memory) => filler.fill(memory) }
  }
  if (encoding === 'gzip' || encoding === 'x-gzip') return inflated(reader, limitBytes)
  throw new InputError('unsupported-encoding', `Content-Encoding '${encoding.slice(0, 40)}' is not supported; send gzip or none`)
}

// Reads by `read()` and 'readable' rather than by the stream's own iterator, which would destroy the socket on an early stop.
class BodyReader {
  readonly #raw: IncomingMessage
  readonly #limitBytes: number
  readonly #pace: LeastPace
  #isStopped = false
  #wake: (() => void) | null = null

  constructor(raw: IncomingMessage, limitBytes: number, limits: PaceLimits) {
    this.#raw = raw
    this.#limitBytes = limitBytes
    this.#pace = new LeastPace(limits)
  }

  async *chunks(): AsyncGenerator<Uint8Array> {
    if (Number(this.#raw.headers['content-length'] ?? 0) > this.#limitBytes) throw tooLarge(this.#limitBytes)
    let total = 0
    for (;;) {
      const chunk = await this.#next()
      if (chunk === null) return
      total += chunk.length
      if (total > this.#limitBytes) throw tooLarge(this.#limitBytes)
      yield chunk
    }
  }

  /** Ends a pending wait. */
  stop(): void {
    this.#isStopped = true
    this.#wake?.()
  }

  async #next(): Promise<Uint8Array | null> {
    const raw = this.#raw
    for (;;) {
      if (this.#isStopped) return null
      const chunk = raw.read() as Uint8Array | null
      if (chunk !== null) {
        this.#pace.arrived(chunk.length)
        return chunk
      }
      if (raw.readableEnded && raw.complete) return null
      if (raw.destroyed || raw.readableEnded) throw new InputError('client-gone', 'The connection ended before the request body did')
      await this.#wait()
    }
  }

  // Counts only time spent waiting for the client: a slow consumer (us) is not the client's fault.
  async #wait(): Promise<void> {
    const raw = this.#raw
    const startedMs = performance.now()
    const events = ['readable', 'end', 'close', 'error'] as const
    const isLate = await new Promise<boolean>((resolve) => {
      const done = (late: boolean) => {
        clearTimeout(timer)
        for (const event of events) raw.off(event, awake)
        this.#wake = null
        resolve(late)
      }
      const awake = () => done(false)
      const timer = setTimeout(() => done(true), this.#pace.leftMs)
      for (const event of events) raw.on(event, awake)
      this.#wake = awake
    })
    this.#pace.waited(performance.now() - startedMs)
    if (isLate) throw new InputError('slow-body', 'The request body arrived too slowly')
  }
}

async function* inflated(reader: BodyReader, limitBytes: number): AsyncGenerator<Uint8Array> {
  const gunzip = createGunzip()
  let feedFailure: unknown = null
  const feeding = pipeline(reader.chunks(), gunzip).catch((error: unknown) => {
    feedFailure = error
  })
  let total = 0
  try {
    for await (const chunk of gunzip as AsyncIterable<Uint8Array>) {
      total += chunk.length
      if (total > limitBytes) throw tooLarge(limitBytes)
      yield chunk
    }
  } catch (error) {
    reader.stop()
    await feeding
    if (error instanceof InputError) throw error
    if (feedFailure instanceof InputError) throw feedFailure
    throw new InputError('malformed-gzip', 'The gzip data of the request body is damaged or cut off', { cause: error })
  } finally {
    reader.stop()
    gunzip.destroy()
  }
}
