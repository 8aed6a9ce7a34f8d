// A streamed answer: headers once, then bytes with back-pressure. What a handler writes after the client has gone is dropped. A client that takes
// too little is cut off by the listener.
import type { ServerResponse } from 'node:http'
import type { FastifyReply } from 'fastify'
import type { GitAnswer } from './git-call.ts'

export class Answer implements GitAnswer {
  readonly #raw: ServerResponse
  readonly #gone = new AbortController()

  /** Takes the reply over from the framework and sends that type. Protocol answers have status 200, and are never cached unless `more` says so. */
  constructor(reply: FastifyReply, contentType: string, more: { status?: number; headers?: Readonly<Record<string, string>> } = {}) {
    reply.hijack()
    this.#raw = reply.raw
    this.#raw.statusCode = more.status ?? 200
    for (const [name, value] of Object.entries(reply.getHeaders())) if (value !== undefined) this.#raw.setHeader(name, value)
    this.#raw.setHeader('content-type', contentType)
    this.#raw.setHeader('cache-control', 'no-cache, max-age=0, must-revalidate')
    for (const [name, value] of Object.entries(more.headers ?? {})) this.#raw.setHeader(name, value)
    this.#raw.once('close', () => {
      if (!this.#raw.writableFinished) this.#gone.abort(new Error('the client closed the connection'))
    })
    this.#raw.once('error', () => this.#gone.abort(new Error('the connection broke')))
  }

  /** Aborted when the client closes the connection before the answer's end. */
  get gone(): AbortSignal {
    return this.#gone.signal
  }

  /** Resolves when there is room for more, or nobody to send it to. */
  write(bytes: Uint8Array): Promise<void> | undefined {
    if (this.#gone.signal.aborted || bytes.length === 0) return undefined
    if (this.#raw.write(bytes)) return undefined
    return new Promise((resolve) => {
      const done = () => {
        this.#raw.off('drain', done)
        this.#gone.signal.removeEventListener('abort', done)
        resolve()
      }
      this.#raw.on('drain', done)
      this.#gone.signal.addEventListener('abort', done)
    })
  }

  end(bytes?: Uint8Array): void {
    if (this.#gone.signal.aborted) return
    if (bytes === undefined) this.#raw.end()
    else this.#raw.end(bytes)
  }

  /** Every answer ends by itself: a failure that was told is one. */
  fail(bytes?: Uint8Array): void {
    this.end(bytes)
  }

  /** Ends the connection in the middle: the client must not take what it has for a whole answer. */
  break(): void {
    this.#raw.destroy()
  }
}
