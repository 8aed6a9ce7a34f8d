// A request body as lines of text, read from front to back within limits.
import { InputError } from '../../base/index.ts'
import { decodePkt, pktText } from '../format/pkt-line.ts'
import type { RequestLimits } from './request.ts'

/** A line's text without its newline, one of the packets that carry none, or the body's end. */
export type RequestLine =
  | { readonly type: 'line'; readonly text: string }
  | { readonly type: 'flush' }
  | { readonly type: 'delim' }
  | { readonly type: 'end' }

export class RequestLines {
  readonly #body: Uint8Array
  readonly #limitLines: number
  #at = 0
  #lines = 0

  /** InputError when the body is larger than the limit. */
  constructor(body: Uint8Array, limits: RequestLimits) {
    if (body.length > limits.bytes) throw new InputError('request-too-large', `the request is larger than ${limits.bytes} bytes`)
    this.#body = body
    this.#limitLines = limits.lines
  }

  /** The next packet; `end` behind the last. InputError when the framing is broken or there are too many lines. */
  next(): RequestLine {
    if (this.#at === this.#body.length) return { type: 'end' }
    const decoded = decodePkt(this.#body, this.#at)
    if (decoded === null) throw new InputError('pkt-truncated', 'the remote end hung up unexpectedly')
    if (++this.#lines > this.#limitLines) throw new InputError('request-too-large', `the request has more than ${this.#limitLines} lines`)
    this.#at = decoded.end
    const { pkt } = decoded
    if (pkt.type === 'response-end') throw new InputError('bad-packet', 'unexpected response end packet')
    if (pkt.type !== 'data') return { type: pkt.type }
    const text = pktText(pkt.data)
    if (text.startsWith('ERR ')) throw new InputError('client-error', `remote error: ${text.slice(4)}`)
    return { type: 'line', text }
  }
}
