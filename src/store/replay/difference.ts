// Engine 5: a stream told by how it differs from what zlib's matcher would have chosen. For streams that no engine makes: zlib's own of other builds,
// gzip's, pigz's, Java's and Python's, and whatever chooses nearly as zlib does. docs/design/replay.md, The difference.
//   corrections := raw deflate of section*
//   section     := byte flags (1: a block begins, 2: a block ends, 4: the stream ends)
//                  [begins: byte isLast | kind << 1; dynamic: varint bits, header bytes; stored: varint size, byte padding]
//                  [not stored: varint tokens, varint corrections, (varint tokens that were right, token)*]
//                  [stream ends: byte padding]
//   token       := varint 0 for the literal that stands there, else length − 2 and varint distance − 1
import { deflateRawSync } from 'node:zlib'
import { InputError } from '../../base/index.ts'
import { matchToken } from './bit-sink.ts'
import { type BlockStart, DeflateReader } from './deflate-tokens.ts'
import type { CorrectionMaker } from './engine.ts'
import type { MatchSpaces } from './match-space.ts'
import { VarintWriter } from './varints.ts'
import { PREDICT_BYTES, ZlibPredictor } from './zlib-predictor.ts'

export const SectionFlag = { begins: 1, ends: 2, last: 4 } as const
/** A section has at most so many tokens: a block may have any number. */
export const mostTokens = 16_384

/** A bound for what is kept in memory while a difference is made or applied. */
export const MOST_CORRECTION_BYTES = 64 * 1024 * 1024

/** Read and not predicted yet: much less than the predictor holds, and a token may stand for 258. */
const mostAheadBytes = 16 * 1024

type Event =
  | number
  | { readonly start: BlockStart; size: number; padding: number }
  | { readonly stored: number }
  | 'end'
  | { readonly padding: number }

/** Makes the corrections of a stream from the stream alone, piece by piece. */
export class DifferenceMaker implements CorrectionMaker {
  readonly #predictor: ZlibPredictor
  readonly #reader: DeflateReader
  readonly #out: VarintWriter
  /** What has been read and isn't predicted yet, for want of bytes ahead. */
  #events: Event[] = []
  #done = 0
  // The section that is being written.
  #flags = 0
  #start: { start: BlockStart; size: number; padding: number } | null = null
  #tokens = 0
  #right = 0
  #wrong: number[] = []
  #wrongTokens = 0

  /** @param mostBytes of corrections, before they are compressed: more, and making ends with InputError 'difference-size' */
  constructor(spaces: MatchSpaces, params: readonly number[], mostBytes: number) {
    this.#predictor = new ZlibPredictor(spaces, params[0] ?? 0, params[1] ?? 0)
    this.#out = new VarintWriter(Math.min(mostBytes, MOST_CORRECTION_BYTES))
    this.#reader = new DeflateReader({
      block: (start) => this.#events.push({ start, size: 0, padding: 0 }),
      token: (token) => this.#token(token),
      stored: (bytes, size, padding) => this.#stored(bytes, size, padding),
      blockEnd: () => this.#events.push('end'),
      end: (padding) => this.#events.push({ padding }),
    })
  }

  /** Raw deflate bytes. InputError 'deflate' where it is no stream, or one that can't be told in parts. */
  push(deflated: Uint8Array): void {
    this.#reader.push(deflated)
    this.#predict(false)
  }

  /** The corrections, for `differenceEncoder`. */
  end(): Uint8Array {
    this.#reader.end()
    this.#predict(true)
    this.close()
    return deflateRawSync(this.#out.bytes(), { level: 6 })
  }

  /** It is used up. */
  close(): void {
    this.#predictor.close()
  }

  /** Of a prefix: how many bytes of corrections there are so far. */
  sizeSoFar(): number {
    return this.#out.size + this.#wrong.length * 2
  }

  /** Every token so far was what zlib's matcher would have chosen. */
  get isRight(): boolean {
    return this.#wrongTokens === 0
  }

  #token(token: number): void {
    const predictor = this.#predictor
    predictor.reserve(258)
    const { bytes } = predictor
    if (token < matchToken) bytes[predictor.end++] = token
    else {
      const from = predictor.end - 1 - (token & 0x3fffff)
      if (from < 0) throw new InputError('deflate', 'a distance before the beginning')
      for (let i = from, left = 3 + ((token >>> 22) & 255); left > 0; i++, left--) bytes[predictor.end++] = bytes[i] ?? 0
    }
    this.#events.push(token)
    if (predictor.end - predictor.at > mostAheadBytes) this.#predict(false)
  }

  #stored(bytes: Uint8Array, size: number, padding: number): void {
    const first = this.#events.at(-1)
    if (bytes.length === 0 && typeof first === 'object' && 'start' in first) {
      first.size = size
      first.padding = padding
      return
    }
    this.#predict(false)
    this.#predictor.reserve(bytes.length)
    this.#predictor.bytes.set(bytes, this.#predictor.end)
    this.#predictor.end += bytes.length
    this.#events.push({ stored: bytes.length })
    this.#predict(false)
  }

  #predict(isEnd: boolean): void {
    const predictor = this.#predictor
    for (; this.#done < this.#events.length; this.#done++) {
      if (!isEnd && predictor.end - predictor.at < PREDICT_BYTES) break
      const event = this.#events[this.#done]
      if (typeof event === 'number') this.#compare(event)
      else if (event !== undefined) this.#mark(event)
    }
    if (this.#done > 4096) {
      this.#events = this.#events.slice(this.#done)
      this.#done = 0
    }
  }

  #compare(token: number): void {
    const isRight = this.#predictor.predict() === token
    if (isRight) this.#right++
    else {
      this.#wrong.push(this.#right, token)
      this.#wrongTokens++
      this.#right = 0
    }
    this.#predictor.take(token)
    if (++this.#tokens === mostTokens) this.#section()
  }

  #mark(event: Exclude<Event, number>): void {
    if (event === 'end') {
      this.#flags |= SectionFlag.ends
      this.#section()
    } else if ('start' in event) {
      this.#flags |= SectionFlag.begins
      this.#start = event
    } else if ('stored' in event) {
      this.#predictor.forget()
      this.#predictor.skip(event.stored)
    } else {
      this.#out.byte(SectionFlag.last)
      this.#out.byte(event.padding)
    }
  }

  #section(): void {
    const out = this.#out
    out.byte(this.#flags)
    const start = this.#start
    if (start !== null) {
      out.byte((start.start.isLast ? 1 : 0) | (start.start.kind << 1))
      if (start.start.kind === 2) {
        out.varint(start.start.headerBits)
        for (const byte of start.start.header) out.byte(byte)
      } else if (start.start.kind === 0) {
        out.varint(start.size)
        out.byte(start.padding)
      }
    }
    if (start?.start.kind !== 0) {
      out.varint(this.#tokens)
      out.varint(this.#wrong.length / 2)
      for (let i = 0; i < this.#wrong.length; i += 2) {
        out.varint(this.#wrong[i] ?? 0)
        putToken(out, this.#wrong[i + 1] ?? 0)
      }
    }
    this.#flags = 0
    this.#start = null
    this.#tokens = 0
    this.#right = 0
    this.#wrong = []
  }
}

function putToken(out: VarintWriter, token: number): void {
  if (token < matchToken) out.varint(0)
  else {
    out.varint(((token >>> 22) & 255) + 1)
    out.varint(token & 0x3fffff)
  }
}
