// Deflate blocks as Go's compress/flate writes them (huffman_bit_writer.go of Go 1.26): which kind of block, which header.
import { BitSink, distanceCodeOf, distanceExtraBits, lengthCodeOf, lengthExtraBits, matchToken } from './bit-sink.ts'
import { FlateCode, fixedDistances, fixedLiterals, oneDistance } from './code-lengths.ts'
import { putDynamicHeader, runLengths, type RunLengths } from './dynamic-header.ts'

export const mostStoredBytes = 65_535
const literalSymbols = 286
const distanceSymbols = 30

export class GoBlocks {
  readonly sink = new BitSink()
  readonly #literalCounts = new Int32Array(literalSymbols)
  readonly #distanceCounts = new Int32Array(distanceSymbols)
  readonly #literals = new FlateCode(literalSymbols)
  readonly #distances = new FlateCode(distanceSymbols)
  readonly #runs: RunLengths = runLengths(literalSymbols + distanceSymbols)

  storedHeader(size: number, isLast: boolean): void {
    this.sink.put(isLast ? 1 : 0, 3)
    this.sink.align()
    this.sink.put(size, 16)
    this.sink.put(~size & 0xffff, 16)
  }

  stored(bytes: Uint8Array): void {
    this.storedHeader(bytes.length, false)
    this.sink.putBytes(bytes)
  }

  /** The smallest of the three kinds. @param bytes what the tokens stand for; null where the encoder no longer has it: then never stored */
  smallest(tokens: Int32Array, count: number, bytes: Uint8Array | null): void {
    const { literalCount, distanceCount } = this.#count(tokens, count)
    const isStorable = bytes !== null && bytes.length <= mostStoredBytes
    const extraBits = isStorable ? this.#extraBits(literalCount, distanceCount) : 0
    const fixedBits = 3 + fixedLiterals.bits(this.#literalCounts) + fixedDistances.bits(this.#distanceCounts) + extraBits
    const dynamicBits = this.#dynamicBits(literalCount, distanceCount, this.#distances, extraBits)
    if (isStorable && (bytes.length + 5) * 8 < Math.min(fixedBits, dynamicBits)) {
      this.stored(bytes)
      return
    }
    if (dynamicBits < fixedBits) this.#putDynamic(tokens, count, literalCount, distanceCount)
    else {
      this.sink.put(2, 3)
      this.sink.putTokens(tokens, count, FlateCode.pair(fixedLiterals, fixedDistances))
    }
  }

  /** A dynamic block, or a stored one where that is hardly larger. */
  dynamic(tokens: Int32Array, count: number, bytes: Uint8Array): void {
    const { literalCount, distanceCount } = this.#count(tokens, count)
    const bits = this.#dynamicBits(literalCount, distanceCount, this.#distances, 0)
    if ((bytes.length + 5) * 8 < bits + (bits >> 4)) this.stored(bytes)
    else this.#putDynamic(tokens, count, literalCount, distanceCount)
  }

  /** Only literals. */
  literals(bytes: Uint8Array): void {
    const counts = this.#literalCounts
    counts.fill(0)
    for (const byte of bytes) counts[byte]!++
    counts[256] = 1
    this.#distanceCounts.fill(0)
    this.#distanceCounts[0] = 1
    this.#literals.generate(counts, 15)
    const bits = this.#dynamicBits(257, 1, oneDistance, 0)
    if ((bytes.length + 5) * 8 < bits + (bits >> 4)) {
      this.stored(bytes)
      return
    }
    putDynamicHeader(this.sink, this.#runs, 257, 1)
    this.sink.putTokens(Int32Array.from(bytes), bytes.length, FlateCode.pair(this.#literals, oneDistance))
  }

  #putDynamic(tokens: Int32Array, count: number, literalCount: number, distanceCount: number): void {
    putDynamicHeader(this.sink, this.#runs, literalCount, distanceCount)
    this.sink.putTokens(tokens, count, FlateCode.pair(this.#literals, this.#distances))
  }

  #count(tokens: Int32Array, count: number): { literalCount: number; distanceCount: number } {
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
    literals[256] = 1
    const literalCount = literals.findLastIndex((n) => n !== 0) + 1
    let distanceCount = distances.findLastIndex((n) => n !== 0) + 1
    if (distanceCount === 0) {
      distances[0] = 1
      distanceCount = 1
    }
    this.#literals.generate(literals, 15)
    this.#distances.generate(distances, 15)
    return { literalCount, distanceCount }
  }

  #extraBits(literalCount: number, distanceCount: number): number {
    let bits = 0
    for (let code = 265; code < literalCount; code++) bits += (this.#literalCounts[code] ?? 0) * (lengthExtraBits[code - 257] ?? 0)
    for (let code = 4; code < distanceCount; code++) bits += (this.#distanceCounts[code] ?? 0) * (distanceExtraBits[code] ?? 0)
    return bits
  }

  #dynamicBits(literalCount: number, distanceCount: number, distances: FlateCode, extraBits: number): number {
    const header = this.#runs.encode(this.#literals.sizes.subarray(0, literalCount), distances.sizes.subarray(0, distanceCount))
    return header + this.#literals.bits(this.#literalCounts) + distances.bits(this.#distanceCounts) + extraBits
  }
}
