// Huffman codes of limited length as Go's compress/flate makes them: package-merge from the rarest symbol up, ties by the symbol's number
// (Go 1.x, compress/flate/huffman_code.go; klauspost's compress keeps it). Other encoders make other codes of the same length in sum.
import type { TokenCodes } from './bit-sink.ts'

/** A set of codes for symbols 0 … n − 1; made anew for each block, in place. */
export class FlateCode {
  /** Bits as they are put: reversed. */
  readonly codes: Uint16Array
  /** 0 for a symbol that has no code. */
  readonly sizes: Uint8Array
  readonly #sorted: Uint32Array
  readonly #frequencies: Int32Array
  readonly #leaves = new Int32Array(16 * 16)
  readonly #last = new Int32Array(17)
  readonly #nextLeaf = new Int32Array(17)
  readonly #nextPair = new Int32Array(17)
  readonly #needed = new Int32Array(17)

  constructor(symbols: number) {
    this.codes = new Uint16Array(symbols)
    this.sizes = new Uint8Array(symbols)
    this.#sorted = new Uint32Array(symbols)
    this.#frequencies = new Int32Array(symbols + 1)
  }

  /** A set whose sizes are known. */
  static of(sizes: Uint8Array): FlateCode {
    const code = new FlateCode(sizes.length)
    code.sizes.set(sizes)
    code.#assignCodes()
    return code
  }

  /** @param frequencies below 2^23, of all symbols */
  generate(frequencies: Int32Array, mostBits: number): void {
    let count = 0
    this.sizes.fill(0)
    for (let symbol = 0; symbol < frequencies.length; symbol++) {
      const frequency = frequencies[symbol] ?? 0
      if (frequency !== 0) this.#sorted[count++] = frequency * 512 + symbol
    }
    if (count <= 2) {
      for (let i = 0; i < count; i++) this.sizes[(this.#sorted[i] ?? 0) & 511] = 1
    } else {
      this.#sorted.subarray(0, count).sort()
      this.#assignSizes(count, Math.min(mostBits, count - 1))
    }
    this.#assignCodes()
  }

  /** What symbols of these frequencies take together. */
  bits(frequencies: Int32Array): number {
    let total = 0
    for (let symbol = 0; symbol < frequencies.length; symbol++) total += (frequencies[symbol] ?? 0) * (this.sizes[symbol] ?? 0)
    return total
  }

  /** The same, or Infinity where one of them has no code. */
  bitsIfAll(frequencies: Int32Array): number {
    for (let symbol = 0; symbol < frequencies.length; symbol++) if (frequencies[symbol] !== 0 && this.sizes[symbol] === 0) return Infinity
    return this.bits(frequencies)
  }

  /** As a sink wants them. */
  static pair(literals: FlateCode, distances: FlateCode): TokenCodes {
    return { literalCodes: literals.codes, literalSizes: literals.sizes, distanceCodes: distances.codes, distanceSizes: distances.sizes }
  }

  /** The rows of leaves[level] say how many leaves stand left of the newest node of that level, on each level below it. */
  #assignSizes(count: number, mostBits: number): void {
    const sorted = this.#sorted
    const frequencies = this.#frequencies
    for (let i = 0; i < count; i++) frequencies[i] = (sorted[i] ?? 0) >>> 9
    frequencies[count] = never
    this.#merge(count, mostBits)
    const leaves = this.#leaves
    let end = count
    for (let bits = 1, level = mostBits; level > 0; level--, bits++) {
      const start = end - ((leaves[mostBits * 16 + level] ?? 0) - (leaves[mostBits * 16 + level - 1] ?? 0))
      for (let i = start; i < end; i++) this.sizes[(sorted[i] ?? 0) & 511] = bits
      end = start
    }
  }

  #merge(count: number, mostBits: number): void {
    const frequencies = this.#frequencies
    const [leaves, last, nextLeaf, nextPair, needed] = [this.#leaves, this.#last, this.#nextLeaf, this.#nextPair, this.#needed]
    const [first = 0, second = 0, third = 0] = frequencies
    leaves.fill(0)
    needed.fill(0)
    for (let level = 1; level <= mostBits; level++) {
      last[level] = second
      nextLeaf[level] = third
      nextPair[level] = level === 1 ? never : first + second
      leaves[level * 17] = 2
    }
    needed[mostBits] = 2 * count - 4
    for (let level = mostBits; ; ) {
      if (nextPair[level] === never && nextLeaf[level] === never) {
        needed[level] = 0
        nextPair[++level] = never
        continue
      }
      const before = last[level] ?? 0
      if ((nextLeaf[level] ?? 0) < (nextPair[level] ?? 0)) {
        const n = (leaves[level * 17] ?? 0) + 1
        last[level] = nextLeaf[level] ?? 0
        leaves[level * 17] = n
        nextLeaf[level] = frequencies[n] ?? 0
      } else {
        last[level] = nextPair[level] ?? 0
        leaves.copyWithin(level * 16, (level - 1) * 16, (level - 1) * 16 + level)
        needed[level - 1] = 2
      }
      if (--needed[level]! === 0) {
        if (level === mostBits) return
        nextPair[++level] = before + (last[level - 1] ?? 0)
      } else while ((needed[level - 1] ?? 0) > 0) level--
    }
  }

  /** RFC 1951, 3.2.2. */
  #assignCodes(): void {
    const next = new Uint16Array(17)
    for (const size of this.sizes) if (size > 0) next[size + 1]!++
    for (let size = 1; size < 17; size++) next[size] = ((next[size - 1] ?? 0) + (next[size] ?? 0)) << 1
    for (let symbol = 0; symbol < this.sizes.length; symbol++) {
      const size = this.sizes[symbol] ?? 0
      if (size > 0) this.codes[symbol] = reversed(next[size]!++, size)
    }
  }
}

/** RFC 1951, 3.2.6; two symbols that never come have codes, too. */
export const fixedLiterals = FlateCode.of(
  Uint8Array.from({ length: 288 }, (_, symbol) => (symbol < 144 ? 8 : symbol < 256 ? 9 : symbol < 280 ? 7 : 8)),
)
export const fixedDistances = FlateCode.of(new Uint8Array(30).fill(5))
/** Where there are only literals. */
export const oneDistance = FlateCode.of(Uint8Array.from({ length: 30 }, (_, symbol) => (symbol === 0 ? 1 : 0)))

const never = 0x7fffffff

function reversed(code: number, size: number): number {
  let bits = ((code & 0x5555) << 1) | ((code >>> 1) & 0x5555)
  bits = ((bits & 0x3333) << 2) | ((bits >>> 2) & 0x3333)
  bits = ((bits & 0x0f0f) << 4) | ((bits >>> 4) & 0x0f0f)
  return (((bits & 0xff) << 8) | (bits >>> 8)) >>> (16 - size)
}
