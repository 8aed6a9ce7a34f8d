// Blocks as zlib writes them (trees.c: _tr_flush_block): of stored, fixed and dynamic the one that takes fewest bytes; the header of a dynamic one shows only what is used.
import { BitSink, distanceCodeOf, distanceExtraBits, lengthCodeOf, lengthExtraBits, matchToken } from './bit-sink.ts'
import { FlateCode, fixedDistances, fixedLiterals } from './code-lengths.ts'
import { ZlibCode } from './zlib-codes.ts'

const order = Uint8Array.of(16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15)
/** Symbols of the code of lengths, and the bits that follow them. */
const Repeat = { last: 16, zeros: 17, manyZeros: 18 } as const
const repeatBits = (symbol: number) => (symbol === Repeat.last ? 2 : symbol === Repeat.zeros ? 3 : symbol === Repeat.manyZeros ? 7 : 0)
const endOfBlock = 256

export class ZlibBlocks {
  readonly sink = new BitSink()
  readonly #literals = new ZlibCode({
    symbols: 286,
    mostBits: 15,
    extraBits: (symbol) => (symbol > endOfBlock ? (lengthExtraBits[symbol - endOfBlock - 1] ?? 0) : 0),
    fixedSizes: fixedLiterals.sizes,
  })
  readonly #distances = new ZlibCode({
    symbols: 30,
    mostBits: 15,
    extraBits: (symbol) => distanceExtraBits[symbol] ?? 0,
    fixedSizes: fixedDistances.sizes,
  })
  readonly #lengths = new ZlibCode({ symbols: 19, mostBits: 7, extraBits: repeatBits, fixedSizes: null })
  /** A symbol of the code of lengths, or one from 16 on followed by how often. */
  #header: number[] = []

  /** @param stored the bytes that the tokens stand for; null where zlib no longer has them */
  put(tokens: Int32Array, count: number, stored: Uint8Array | null, isLast: boolean): void {
    this.#count(tokens, count)
    this.#literals.generate()
    this.#distances.generate()
    this.#encodeSizes()
    const codeCount = this.#codeCount()
    const headerBits = this.#lengths.bits + 3 * codeCount + 14
    const bytesOf = (bits: number) => (bits + 3 + 7) >>> 3
    const fixedBytes = bytesOf(this.#literals.fixedBits + this.#distances.fixedBits)
    const leastBytes = Math.min(fixedBytes, bytesOf(this.#literals.bits + this.#distances.bits + headerBits))
    const { sink } = this
    const last = isLast ? 1 : 0
    if (stored !== null && stored.length + 4 <= leastBytes) {
      sink.put(last, 3)
      sink.align()
      sink.put(stored.length, 16)
      sink.put(~stored.length & 0xffff, 16)
      sink.putBytes(stored)
    } else if (fixedBytes === leastBytes) {
      sink.put(2 | last, 3)
      sink.putTokens(tokens, count, FlateCode.pair(fixedLiterals, fixedDistances))
    } else {
      sink.put(4 | last, 3)
      this.#putHeader(codeCount)
      sink.putTokens(tokens, count, FlateCode.pair(this.#literals.codes(), this.#distances.codes()))
    }
    if (isLast) sink.align()
  }

  #count(tokens: Int32Array, count: number): void {
    const literals = this.#literals.frequencies.fill(0)
    const distances = this.#distances.frequencies.fill(0)
    for (let i = 0; i < count; i++) {
      const token = tokens[i] ?? 0
      if (token < matchToken) literals[token]!++
      else {
        literals[endOfBlock + 1 + lengthCodeOf((token >>> 22) & 255)]!++
        distances[distanceCodeOf(token & 0x3fffff)]!++
      }
    }
    literals[endOfBlock] = 1
  }

  /** Sizes of both codes, runs of equal ones shortened: each code by itself, so that no run reaches from one into the other. */
  #encodeSizes(): void {
    this.#header = []
    this.#lengths.frequencies.fill(0)
    for (const code of [this.#literals, this.#distances]) this.#runs(code.sizes, code.last)
    this.#lengths.generate()
  }

  #runs(sizes: Uint8Array, last: number): void {
    let before = -1
    for (let at = 0; at <= last; ) {
      const size = sizes[at] ?? 0
      const most = size === 0 ? 138 : size === before ? 6 : 7
      let times = 1
      while (times < most && at + times <= last && sizes[at + times] === size) times++
      this.#run(size, times, before)
      before = size
      at += times
    }
  }

  #run(size: number, times: number, before: number): void {
    if (size === 0 && times >= 3) {
      if (times <= 10) this.#symbol(Repeat.zeros, times - 3)
      else this.#symbol(Repeat.manyZeros, times - 11)
      return
    }
    const isKnown = size === before
    if (size === 0 || times < (isKnown ? 3 : 4)) {
      for (let left = times; left > 0; left--) this.#symbol(size)
      return
    }
    if (!isKnown) this.#symbol(size)
    this.#symbol(Repeat.last, times - (isKnown ? 0 : 1) - 3)
  }

  #symbol(symbol: number, times?: number): void {
    this.#header.push(symbol)
    if (times !== undefined) this.#header.push(times)
    this.#lengths.frequencies[symbol]!++
  }

  #codeCount(): number {
    let count = 19
    while (count > 4 && this.#lengths.sizes[order[count - 1] ?? 0] === 0) count--
    return count
  }

  #putHeader(codeCount: number): void {
    const { sink } = this
    sink.put(this.#literals.last + 1 - 257, 5)
    sink.put(this.#distances.last, 5)
    sink.put(codeCount - 4, 4)
    const { codes, sizes } = this.#lengths.codes()
    for (let i = 0; i < codeCount; i++) sink.put(sizes[order[i] ?? 0] ?? 0, 3)
    for (let i = 0; i < this.#header.length; i++) {
      const symbol = this.#header[i] ?? 0
      sink.put(codes[symbol] ?? 0, sizes[symbol] ?? 0)
      if (repeatBits(symbol) > 0) sink.put(this.#header[++i] ?? 0, repeatBits(symbol))
    }
  }
}
