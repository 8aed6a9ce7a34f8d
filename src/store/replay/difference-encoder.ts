// Makes a stream again from a difference (difference.ts has the format).
import { inflateRawSync } from 'node:zlib'
import { CorruptError } from '../../base/index.ts'
import { BitSink, matchToken, type TokenCodes } from './bit-sink.ts'
import { FlateCode, fixedDistances, fixedLiterals } from './code-lengths.ts'
import { type Decoder, readCodeSizes } from './deflate-tokens.ts'
import { MOST_CORRECTION_BYTES, mostTokens, SectionFlag } from './difference.ts'
import type { DeflateEncoder } from './engine.ts'
import type { MatchSpaces } from './match-space.ts'
import { VarintReader } from './varints.ts'
import { PREDICT_BYTES, ZlibPredictor } from './zlib-predictor.ts'

/** Makes the stream again from its uncompressed bytes and the corrections. CorruptError 'replay-corrections' where they don't fit each other. */
export class DifferenceEncoder implements DeflateEncoder {
  readonly #predictor: ZlibPredictor
  readonly #in: VarintReader
  readonly #sink = new BitSink()
  readonly #tokens = new Int32Array(mostTokens)
  #codes: TokenCodes = fixedCodes
  #count = 0
  #tokensLeft = 0
  #correctionsLeft = 0
  #untilCorrection = -1
  #storedLeft = 0
  #isEnding = false
  #isDone = false

  constructor(spaces: MatchSpaces, params: Uint8Array, corrections: Uint8Array) {
    this.#predictor = new ZlibPredictor(spaces, params[0] ?? 0, params[1] ?? 0)
    this.#in = new VarintReader(inflated(corrections))
  }

  push(bytes: Uint8Array): Uint8Array[] {
    const predictor = this.#predictor
    for (let at = 0; at < bytes.length; ) {
      const piece = bytes.subarray(at, at + 32 * 1024)
      predictor.reserve(piece.length)
      predictor.bytes.set(piece, predictor.end)
      predictor.end += piece.length
      at += piece.length
      this.#run(false)
    }
    return this.#sink.take()
  }

  end(): Uint8Array[] {
    this.#run(true)
    const isWhole = this.#isDone && this.#predictor.at === this.#predictor.end
    this.#predictor.close()
    if (!isWhole) throw misfit()
    this.#sink.align()
    return this.#sink.take()
  }

  #run(isEnd: boolean): void {
    const predictor = this.#predictor
    while (!this.#isDone) {
      if (this.#storedLeft > 0) {
        const size = Math.min(this.#storedLeft, predictor.end - predictor.at)
        if (size === 0) return
        this.#sink.putBytes(predictor.bytes.subarray(predictor.at, predictor.at + size))
        predictor.forget()
        predictor.skip(size)
        this.#storedLeft -= size
      } else if (this.#tokensLeft > 0) {
        if (!this.#putTokens(isEnd)) return
      } else if (!isEnd && predictor.end - predictor.at < PREDICT_BYTES) return
      else this.#section()
    }
  }

  /** False when more bytes are needed. */
  #putTokens(isEnd: boolean): boolean {
    const predictor = this.#predictor
    while (this.#tokensLeft > 0) {
      const left = predictor.end - predictor.at
      if (left < PREDICT_BYTES && !isEnd) return false
      let token = predictor.predict()
      if (this.#untilCorrection-- === 0) {
        token = this.#readToken()
        this.#nextCorrection()
      }
      if (left < (token < matchToken ? 1 : 3 + ((token >>> 22) & 255))) throw misfit()
      predictor.take(token)
      this.#tokens[this.#count++] = token
      this.#tokensLeft--
    }
    this.#sink.putTokens(this.#tokens, this.#count, this.#codes, this.#isEnding)
    this.#count = 0
    return true
  }

  #section(): void {
    const input = this.#in
    const flags = input.byte()
    if (flags === SectionFlag.last) {
      this.#sink.put(input.byte(), this.#sink.untilWhole())
      this.#isDone = true
      return
    }
    this.#isEnding = (flags & SectionFlag.ends) !== 0
    if ((flags & SectionFlag.begins) !== 0 && this.#block()) return
    this.#tokensLeft = input.varint()
    if (this.#tokensLeft > mostTokens) throw misfit()
    this.#correctionsLeft = input.varint() + 1
    this.#nextCorrection()
    if (this.#tokensLeft === 0) this.#sink.putTokens(this.#tokens, 0, this.#codes, this.#isEnding)
  }

  /** @returns whether it is a stored one, which has no tokens */
  #block(): boolean {
    const input = this.#in
    const head = input.byte()
    this.#sink.put(head, 3)
    const kind = head >> 1
    if (kind === 0) {
      this.#storedLeft = input.varint()
      this.#sink.put(input.byte(), this.#sink.untilWhole())
      this.#sink.put(this.#storedLeft, 16)
      this.#sink.put(~this.#storedLeft & 0xffff, 16)
      return true
    }
    this.#codes = fixedCodes
    if (kind === 2) {
      const bits = input.varint()
      const header = input.bytes((bits + 7) >> 3)
      for (let i = 0; i < header.length; i++) this.#sink.put(header[i] ?? 0, Math.min(8, bits - i * 8))
      this.#codes = codesOf(header)
    }
    return false
  }

  #nextCorrection(): void {
    this.#correctionsLeft--
    this.#untilCorrection = this.#correctionsLeft > 0 ? this.#in.varint() : -1
  }

  #readToken(): number {
    const length = this.#in.varint()
    if (length === 0) return this.#predictor.bytes[this.#predictor.at] ?? 0
    if (length > 256) throw misfit()
    return matchToken + ((length - 1) << 22) + this.#in.varint()
  }
}

const fixedCodes = FlateCode.pair(fixedLiterals, fixedDistances)

function codesOf(header: Uint8Array): TokenCodes {
  let at = 0
  const peek = () => ((header[at >> 3] ?? 0) | ((header[(at >> 3) + 1] ?? 0) << 8) | ((header[(at >> 3) + 2] ?? 0) << 16)) >>> (at & 7)
  const take = (count: number) => {
    const bits = peek() & ((1 << count) - 1)
    at += count
    return bits
  }
  const symbol = (decoder: Decoder) => {
    const entry = decoder.table[peek() & 0x7fff] ?? 0
    if (entry === 0) throw misfit()
    at += entry & 15
    return entry >> 4
  }
  try {
    const { literals, distances } = readCodeSizes(take, symbol)
    return FlateCode.pair(FlateCode.of(literals), FlateCode.of(distances))
  } catch (error) {
    throw new CorruptError('replay-corrections', 'the header of a block among the corrections is none', { cause: error })
  }
}

function inflated(corrections: Uint8Array): Uint8Array {
  try {
    return inflateRawSync(corrections, { maxOutputLength: MOST_CORRECTION_BYTES })
  } catch (error) {
    throw new CorruptError('replay-corrections', 'the corrections of a deflate stream cannot be read', { cause: error })
  }
}

function misfit(): CorruptError {
  return new CorruptError('replay-corrections', 'the corrections of a deflate stream do not fit its bytes')
}
