// A request body as pkt-lines (gitprotocol-common(5)), read from front to back within limits.
import { asBuffer, InputError } from '../../base/index.ts'
import type { RequestLimits } from './request.ts'

/** A line's text without its newline, or one of the packets that carry none. */
export type RequestLine =
  | { readonly kind: 'line'; readonly text: string }
  | { readonly kind: 'flush' }
  | { readonly kind: 'delimiter' }
  | { readonly kind: 'end' }

const flush = { kind: 'flush' } as const
const delimiter = { kind: 'delimiter' } as const
const end = { kind: 'end' } as const
const newline = 10

export class RequestLines {
  readonly #body: ReturnType<typeof asBuffer>
  readonly #limitLines: number
  #at = 0
  #lines = 0

  /** InputError when the body is larger than the limit. */
  constructor(body: Uint8Array, limits: RequestLimits) {
    if (body.length > limits.bytes) throw new InputError('request-too-large', `the request is larger than ${limits.bytes} bytes`)
    this.#body = asBuffer(body)
    this.#limitLines = limits.lines
  }

  /** The next packet; `end` behind the last. InputError when the framing is broken or there are too many lines. */
  next(): RequestLine {
    const body = this.#body
    if (this.#at === body.length) return end
    const digits = body.toString('latin1', this.#at, this.#at + 4)
    if (!/^[0-9a-fA-F]{4}$/.test(digits)) {
      throw new InputError('bad-packet', `protocol error: bad line length character: ${JSON.stringify(digits).slice(1, -1)}`)
    }
    if (++this.#lines > this.#limitLines) throw new InputError('request-too-large', `the request has more than ${this.#limitLines} lines`)
    const sizeBytes = Number.parseInt(digits, 16)
    if (sizeBytes < 4) {
      this.#at += 4
      if (sizeBytes === 0) return flush
      if (sizeBytes === 1) return delimiter
      throw new InputError(
        'bad-packet',
        sizeBytes === 2 ? 'unexpected response end packet' : `protocol error: bad line length ${sizeBytes}`,
      )
    }
    const from = this.#at + 4
    this.#at += sizeBytes
    if (this.#at > body.length) throw new InputError('bad-packet', 'the remote end hung up unexpectedly')
    const to = this.#at > from && body[this.#at - 1] === newline ? this.#at - 1 : this.#at
    const text = body.toString('utf8', from, to)
    if (text.startsWith('ERR ')) throw new InputError('client-error', `remote error: ${text.slice(4)}`)
    return { kind: 'line', text }
  }
}
