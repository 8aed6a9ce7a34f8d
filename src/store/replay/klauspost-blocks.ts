// Deflate blocks as klauspost's compress/flate writes them (huffman_bit_writer.go): a block's codes may serve the blocks behind it, which then have
// no header, and the end of the block is owed until other codes are wanted.
import { BitSink, distanceCodeOf, distanceExtraBits, lengthCodeOf, lengthExtraBits, matchToken } from './bit-sink.ts'
import { FlateCode, fixedDistances, fixedLiterals, oneDistance } from './code-lengths.ts'
import { putDynamicHeader, runLengths } from './dynamic-header.ts'
import { estimatedBits } from './estimated-bits.ts'

export const mostStoredBytes = 65_535
const literalSymbols = 286
const distanceSymbols = 30
const endOfBlock = 256
/** With so many tokens or more, the fixed codes aren't considered. */
const fewTokens = 250
const guessedHeaderBits = 70 * 8

export class KlauspostBlocks {
  readonly sink = new BitSink()
  /** A new table must be better by size >> penalty. */
  readonly #penalty: number
  /** From 1.18.4 on a header holds only the symbols up to the last that is used, and the end of the block always counts. */
  readonly #isTrimmed: boolean
  readonly #literalCounts = new Int32Array(literalSymbols)
  readonly #distanceCounts = new Int32Array(distanceSymbols)
  #literals = new FlateCode(literalSymbols)
  /** What literals alone would have: changes places with #literals when it is taken. */
  #onlyLiterals = new FlateCode(literalSymbols)
  readonly #distances = new FlateCode(distanceSymbols)
  readonly #runs = runLengths(literalSymbols + distanceSymbols)
  /** Bits of the header whose codes are still open; 0 where no block is open. */
  #openHeader = 0
  #isOnlyLiterals = false

  constructor(penalty: number, isTrimmed: boolean) {
    this.#penalty = penalty
    this.#isTrimmed = isTrimmed
  }

  reset(): void {
    this.#openHeader = 0
    this.#isOnlyLiterals = false
  }

  stored(bytes: Uint8Array): void {
    this.#storedHeader(bytes.length)
    this.sink.putBytes(bytes)
  }

  /** An empty stored block: what a sync flush leaves. */
  flush(): void {
    this.#storedHeader(0)
    this.sink.align()
  }

  /** An empty fixed block, the last. */
  end(): void {
    this.#closeBlock()
    this.sink.put(3, 3)
    this.sink.put(0, 7)
    this.sink.align()
  }

  /** @param bytes what the tokens stand for, null where it is gone @param isSync nothing may be owed behind it */
  tokens(tokens: Int32Array, tokenCount: number, bytes: Uint8Array | null, isSync: boolean): void {
    this.#count(tokens, tokenCount, isSync)
    if (this.#openHeader > 0 && (this.#isOnlyLiterals || !this.#canReuse())) this.#closeBlock()
    if (this.#isTrimmed) this.#literalCounts[endOfBlock] = 1
    const { literalCount, distanceCount } = this.#symbolCounts(isSync)
    const storedBits = bytes !== null && bytes.length <= mostStoredBytes ? (bytes.length + 5) * 8 : Infinity
    const extraBits = storedBits < Infinity || this.#openHeader > 0 ? this.#extraBits() : 0
    // As upstream counts: the end is a token where it has been added.
    const counted = tokenCount + (isSync ? 1 : 0)
    const isFew = counted < fewTokens
    const fixedBits = isFew ? 3 + fixedLiterals.bits(this.#literalCounts) + fixedDistances.bits(this.#distanceCounts) + extraBits : Infinity
    if (this.#openHeader > 0) {
      const estimate = estimatedBits(this.#literalCounts, this.#distanceCounts, counted)
      let bits = this.#openHeader + estimate
      bits += (this.#literals.sizes[endOfBlock] ?? 0) + (bits >> this.#penalty)
      const reuseBits = this.#literals.bits(this.#literalCounts) + this.#distances.bits(this.#distanceCounts) + extraBits
      if (bits < reuseBits) this.#closeBlock()
      else bits = reuseBits
      if (fixedBits + 7 < bits) {
        if (storedBits <= bits && bytes !== null) this.stored(bytes)
        else this.#putFixed(tokens, tokenCount)
        return
      }
      if (storedBits <= bits && bytes !== null) {
        this.stored(bytes)
        return
      }
    }
    if (this.#openHeader === 0) {
      this.#literalCounts[endOfBlock] = 1
      this.#literals.generate(this.#literalCounts, 15)
      this.#distances.generate(this.#distanceCounts, 15)
      const headerBits = this.#headerBits(literalCount, distanceCount, this.#distances)
      const bits = headerBits + this.#literals.bits(this.#literalCounts) + this.#distances.bits(this.#distanceCounts) + extraBits
      // Counted without the end above, if the end isn't a token.
      const fixed = isFew ? 3 + fixedLiterals.bits(this.#literalCounts) + fixedDistances.bits(this.#distanceCounts) + extraBits : Infinity
      if (fixed <= bits) {
        if (storedBits <= fixed && bytes !== null) this.stored(bytes)
        else this.#putFixed(tokens, tokenCount)
        return
      }
      if (storedBits <= bits && bytes !== null) {
        this.stored(bytes)
        return
      }
      putDynamicHeader(this.sink, this.#runs, literalCount, distanceCount)
      this.#openHeader = headerBits
      this.#isOnlyLiterals = false
    }
    if (isSync) this.#openHeader = 0
    this.sink.putTokens(tokens, tokenCount, FlateCode.pair(this.#literals, this.#distances), isSync)
  }

  /** Only literals, or stored where that gains little. */
  onlyLiterals(bytes: Uint8Array, isSync: boolean): void {
    const counts = this.#literalCounts.subarray(0, endOfBlock + 1).fill(0)
    for (const byte of bytes) counts[byte]!++
    if (bytes.length > 1024 && isNoise(counts, bytes.length)) {
      this.stored(bytes)
      return
    }
    counts[endOfBlock] = 1
    this.#onlyLiterals.generate(counts, 15)
    let bits = this.#onlyLiterals.bits(counts) + (this.#openHeader === 0 ? guessedHeaderBits : this.#openHeader)
    bits += bits >> this.#penalty
    if ((bytes.length + 5) * 8 <= bits) {
      this.stored(bytes)
      return
    }
    if (this.#openHeader > 0 && bits < this.#literals.bitsIfAll(counts.subarray(0, endOfBlock))) this.#closeBlock()
    if (this.#openHeader === 0) {
      ;[this.#literals, this.#onlyLiterals] = [this.#onlyLiterals, this.#literals]
      this.#openHeader = this.#headerBits(endOfBlock + 1, 1, oneDistance)
      putDynamicHeader(this.sink, this.#runs, endOfBlock + 1, 1)
      this.#isOnlyLiterals = true
    }
    this.sink.putTokens(Int32Array.from(bytes), bytes.length, FlateCode.pair(this.#literals, oneDistance), isSync)
    if (isSync) this.reset()
  }

  #storedHeader(size: number): void {
    this.#closeBlock()
    this.sink.put(0, 3)
    this.sink.align()
    this.sink.put(size, 16)
    this.sink.put(~size & 0xffff, 16)
  }

  #putFixed(tokens: Int32Array, count: number): void {
    this.#closeBlock()
    this.sink.put(2, 3)
    this.sink.putTokens(tokens, count, FlateCode.pair(fixedLiterals, fixedDistances))
  }

  #closeBlock(): void {
    if (this.#openHeader > 0) this.sink.put(this.#literals.codes[endOfBlock] ?? 0, this.#literals.sizes[endOfBlock] ?? 0)
    this.#openHeader = 0
  }

  #headerBits(literalCount: number, distanceCount: number, distances: FlateCode): number {
    return this.#runs.encode(this.#literals.sizes.subarray(0, literalCount), distances.sizes.subarray(0, distanceCount))
  }

  #count(tokens: Int32Array, count: number, hasEnd: boolean): void {
    const literals = this.#literalCounts.fill(0)
    const distances = this.#distanceCounts.fill(0)
    for (let i = 0; i < count; i++) {
      const token = tokens[i] ?? 0
      if (token < matchToken) literals[token]!++
      else {
        literals[257 + lengthCodeOf((token >>> 22) & 255)]!++
        distances[distanceCodeOf(token & 0x3fffff)]!++
      }
    }
    literals[endOfBlock] = hasEnd ? 1 : 0
  }

  #canReuse(): boolean {
    return this.#distances.bitsIfAll(this.#distanceCounts) < Infinity && this.#literals.bitsIfAll(this.#literalCounts) < Infinity
  }

  #symbolCounts(isSync: boolean): { literalCount: number; distanceCount: number } {
    if (!isSync && !this.#isTrimmed) return { literalCount: literalSymbols, distanceCount: distanceSymbols }
    const literalCount = this.#literalCounts.findLastIndex((n) => n !== 0) + 1
    const distanceCount = this.#distanceCounts.findLastIndex((n) => n !== 0) + 1
    if (distanceCount > 0) return { literalCount, distanceCount }
    this.#distanceCounts[0] = 1
    return { literalCount, distanceCount: 1 }
  }

  #extraBits(): number {
    let bits = 0
    for (let code = 8; code < 29; code++) bits += (this.#literalCounts[257 + code] ?? 0) * (lengthExtraBits[code] ?? 0)
    for (let code = 4; code < distanceSymbols; code++) bits += (this.#distanceCounts[code] ?? 0) * (distanceExtraBits[code] ?? 0)
    return bits
  }
}

/** Whether all bytes come about equally often. In upstream's order: it stops where the sum is too large. */
function isNoise(counts: Int32Array, size: number): boolean {
  const average = size / 256
  let sum = 0
  for (let byte = 0; byte < 256 && sum <= size * 2; byte++) sum += ((counts[byte] ?? 0) - average) ** 2
  return sum < size * 2
}
