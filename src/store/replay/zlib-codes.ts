// Huffman codes of limited length as zlib makes them (trees.c: build_tree, gen_bitlen): a heap of frequencies, ties by depth, and lengths that are too long moved afterwards.
// Other encoders make other codes of the same length in sum.
import { FlateCode } from './code-lengths.ts'

export interface CodeShape {
  readonly symbols: number
  readonly mostBits: number
  /** Bits that follow a symbol's code. */
  readonly extraBits: (symbol: number) => number
  /** Of the fixed code; none for the code of the lengths. */
  readonly fixedSizes: Uint8Array | null
}

/** A set of codes for a block, made anew for each, in place. */
export class ZlibCode {
  readonly sizes: Uint8Array
  readonly frequencies: Int32Array
  /** The last symbol that has a code. */
  last = -1
  /** What all symbols take with these codes, and with the fixed ones: in bits, with what follows them. */
  bits = 0
  fixedBits = 0
  readonly #shape: CodeShape
  readonly #weights: Int32Array
  readonly #depths: Uint8Array
  readonly #parents: Int32Array
  /** Of inner nodes, too. */
  readonly #sizes: Uint8Array
  readonly #heap: Int32Array
  #heapSize = 0
  /** Where the nodes stand in the heap's array that were taken out, the last one first. */
  #taken = 0

  constructor(shape: CodeShape) {
    const nodes = 2 * shape.symbols + 1
    this.#shape = shape
    this.sizes = new Uint8Array(shape.symbols)
    this.frequencies = new Int32Array(shape.symbols)
    this.#weights = new Int32Array(nodes)
    this.#depths = new Uint8Array(nodes)
    this.#parents = new Int32Array(nodes)
    this.#sizes = new Uint8Array(nodes)
    this.#heap = new Int32Array(nodes)
  }

  /** The codes of these sizes. */
  codes(): FlateCode {
    return FlateCode.of(this.sizes)
  }

  /** Makes the codes' sizes out of `frequencies`. */
  generate(): void {
    const { symbols } = this.#shape
    this.bits = 0
    this.fixedBits = 0
    this.last = -1
    this.#heapSize = 0
    for (let symbol = 0; symbol < symbols; symbol++) {
      const frequency = this.frequencies[symbol] ?? 0
      this.#weights[symbol] = frequency
      this.#sizes[symbol] = 0
      if (frequency > 0) this.#put(symbol)
    }
    // a code of fewer than two symbols is none
    while (this.#heapSize < 2) {
      const symbol = this.last < 2 ? this.last + 1 : 0
      this.#weights[symbol] = 1
      this.bits--
      this.fixedBits -= this.#shape.fixedSizes?.[symbol] ?? 0
      const last = Math.max(this.last, symbol)
      this.#put(symbol)
      this.last = last
    }
    this.#merge()
    this.#measure()
    this.sizes.set(this.#sizes.subarray(0, symbols))
  }

  #put(symbol: number): void {
    this.#heap[++this.#heapSize] = symbol
    this.#depths[symbol] = 0
    this.last = symbol
  }

  #merge(): void {
    const heap = this.#heap
    for (let at = this.#heapSize >> 1; at > 0; at--) this.#down(at)
    this.#taken = heap.length
    for (let node = this.#shape.symbols; ; ) {
      const first = heap[1] ?? 0
      heap[1] = heap[this.#heapSize--] ?? 0
      this.#down(1)
      const second = heap[1] ?? 0
      heap[--this.#taken] = first
      heap[--this.#taken] = second
      this.#weights[node] = (this.#weights[first] ?? 0) + (this.#weights[second] ?? 0)
      this.#depths[node] = Math.max(this.#depths[first] ?? 0, this.#depths[second] ?? 0) + 1
      this.#parents[first] = node
      this.#parents[second] = node
      heap[1] = node++
      this.#down(1)
      if (this.#heapSize < 2) break
    }
    heap[--this.#taken] = heap[1] ?? 0
  }

  #isSmaller(a: number, b: number): boolean {
    const [weightA = 0, weightB = 0] = [this.#weights[a], this.#weights[b]]
    return weightA < weightB || (weightA === weightB && (this.#depths[a] ?? 0) <= (this.#depths[b] ?? 0))
  }

  #down(from: number): void {
    const heap = this.#heap
    const node = heap[from] ?? 0
    let at = from
    for (let child = at * 2; child <= this.#heapSize; child *= 2) {
      if (child < this.#heapSize && this.#isSmaller(heap[child + 1] ?? 0, heap[child] ?? 0)) child++
      if (this.#isSmaller(node, heap[child] ?? 0)) break
      heap[at] = heap[child] ?? 0
      at = child
    }
    heap[at] = node
  }

  /** Lengths from the root down; those that are longer than may be are made so, and the others moved until the code fits again. */
  #measure(): void {
    const { mostBits, extraBits, fixedSizes } = this.#shape
    const [heap, sizes] = [this.#heap, this.#sizes]
    const counts = new Int32Array(mostBits + 2)
    let tooLong = 0
    sizes[heap[this.#taken] ?? 0] = 0
    for (let at = this.#taken + 1; at < heap.length; at++) {
      const node = heap[at] ?? 0
      const wanted = (sizes[this.#parents[node] ?? 0] ?? 0) + 1
      const size = Math.min(wanted, mostBits)
      if (wanted > mostBits) tooLong++
      sizes[node] = size
      if (node > this.last) continue
      counts[size]!++
      const weight = this.#weights[node] ?? 0
      this.bits += weight * (size + extraBits(node))
      this.fixedBits += weight * ((fixedSizes?.[node] ?? 0) + extraBits(node))
    }
    if (tooLong > 0) this.#shorten(counts, tooLong)
  }

  #shorten(counts: Int32Array, tooLong: number): void {
    const { mostBits } = this.#shape
    for (let left = tooLong; left > 0; left -= 2) {
      let size = mostBits - 1
      while (counts[size] === 0) size--
      counts[size]!--
      counts[size + 1]! += 2
      counts[mostBits]!--
    }
    let at = this.#heap.length
    for (let size = mostBits; size > 0; size--) {
      for (let left = counts[size] ?? 0; left > 0; ) {
        const symbol = this.#heap[--at] ?? 0
        if (symbol > this.last) continue
        this.bits += (size - (this.#sizes[symbol] ?? 0)) * (this.#weights[symbol] ?? 0)
        this.#sizes[symbol] = size
        left--
      }
    }
  }
}
