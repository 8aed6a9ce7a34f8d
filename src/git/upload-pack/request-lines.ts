// A request body as lines of text, read from front to back within limits; and in steps, between which a long one lets other work go on.
import { setImmediate } from 'node:timers/promises'
import { InputError } from '../../base/index.ts'
import { decodePkt, pktText } from '../format/pkt-line.ts'
import type { RequestLimits } from './request.ts'

/** A line's text without its newline, one of the packets that carry none, or the body's end. */
export type RequestLine =
  | { readonly type: 'line'; readonly text: string }
  | { readonly type: 'flush' }
  | { readonly type: 'delim' }
  | { readonly type: 'end' }

/** Parsing, in steps of some milliseconds: who runs them rests at each yield, or doesn't. */
export type ParseSteps<T> = Generator<void, T, undefined>

/** Lines in one step. */
const stepLines = 4096

/** All steps at once: for a request that is small. */
export function parseNow<T>(steps: ParseSteps<T>): T {
  for (let step = steps.next(); ; step = steps.next()) if (step.done) return step.value
}

/** A step, then whatever else the thread has to do. */
export async function parseInTurns<T>(steps: ParseSteps<T>): Promise<T> {
  for (let step = steps.next(); ; step = steps.next()) {
    if (step.done) return step.value
    await setImmediate()
  }
}

/** The items, with a rest now and then. */
export function* inSteps<T>(items: readonly T[], take: (item: T) => void): ParseSteps<void> {
  for (let at = 0; at < items.length; at++) {
    take(items[at] as T)
    if (at % stepLines === stepLines - 1) yield
  }
}

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

  /** True now and then: so much was read that a step ends. */
  get isStep(): boolean {
    return this.#lines % stepLines === stepLines - 1
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
