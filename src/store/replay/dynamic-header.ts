// The header of a dynamic block as Go's encoders write it: the lengths of both codes as one list, runs of equal ones shortened (RFC 1951, 3.2.7).
import type { BitSink } from './bit-sink.ts'
import { FlateCode } from './code-lengths.ts'

const order = Uint8Array.of(16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15)

/** The last list that was shortened, and the code for its symbols. */
export interface RunLengths {
  /** @returns the bits of the header that shows these lengths */
  encode(literalSizes: Uint8Array, distanceSizes: Uint8Array): number
  put(sink: BitSink): void
  codeCount(): number
}

class Runs implements RunLengths {
  readonly #sizes: Uint8Array
  /** A symbol, or a symbol from 16 on followed by how often. */
  readonly #symbols: Uint8Array
  #length = 0
  readonly #counts = new Int32Array(19)
  readonly #code = new FlateCode(19)
  #codeCount = 19

  constructor(mostSizes: number) {
    this.#sizes = new Uint8Array(mostSizes)
    this.#symbols = new Uint8Array(mostSizes * 2)
  }

  encode(literalSizes: Uint8Array, distanceSizes: Uint8Array): number {
    const sizes = this.#sizes
    sizes.set(literalSizes)
    sizes.set(distanceSizes, literalSizes.length)
    const end = literalSizes.length + distanceSizes.length
    this.#counts.fill(0)
    this.#length = 0
    for (let at = 0; at < end; ) {
      const size = sizes[at] ?? 0
      let next = at + 1
      while (next < end && sizes[next] === size) next++
      this.#run(size, next - at)
      at = next
    }
    const counts = this.#counts
    this.#code.generate(counts, 7)
    this.#codeCount = 19
    while (this.#codeCount > 4 && counts[order[this.#codeCount - 1] ?? 0] === 0) this.#codeCount--
    const extra = (counts[16] ?? 0) * 2 + (counts[17] ?? 0) * 3 + (counts[18] ?? 0) * 7
    return 3 + 5 + 5 + 4 + 3 * this.#codeCount + this.#code.bits(counts) + extra
  }

  codeCount(): number {
    return this.#codeCount
  }

  put(sink: BitSink): void {
    for (let i = 0; i < this.#codeCount; i++) sink.put(this.#code.sizes[order[i] ?? 0] ?? 0, 3)
    for (let i = 0; i < this.#length; i++) {
      const symbol = this.#symbols[i] ?? 0
      sink.put(this.#code.codes[symbol] ?? 0, this.#code.sizes[symbol] ?? 0)
      if (symbol >= 16) sink.put(this.#symbols[++i] ?? 0, symbol === 16 ? 2 : symbol === 17 ? 3 : 7)
    }
  }

  #run(size: number, times: number): void {
    let left = times
    if (size === 0) {
      for (; left >= 11; left -= Math.min(left, 138)) this.#push(18, Math.min(left, 138) - 11)
      if (left >= 3) {
        this.#push(17, left - 3)
        left = 0
      }
    } else {
      this.#push(size)
      for (left--; left >= 3; left -= Math.min(left, 6)) this.#push(16, Math.min(left, 6) - 3)
    }
    for (; left > 0; left--) this.#push(size)
  }

  #push(symbol: number, times?: number): void {
    this.#symbols[this.#length++] = symbol
    if (times !== undefined) this.#symbols[this.#length++] = times
    this.#counts[symbol]!++
  }
}

export function runLengths(mostSizes: number): RunLengths {
  return new Runs(mostSizes)
}

/** Never the last block: Go ends a stream with an empty stored one. */
export function putDynamicHeader(sink: BitSink, runs: RunLengths, literalCount: number, distanceCount: number): void {
  sink.put(4, 3)
  sink.put(literalCount - 257, 5)
  sink.put(distanceCount - 1, 5)
  sink.put(runs.codeCount() - 4, 4)
  runs.put(sink)
}
