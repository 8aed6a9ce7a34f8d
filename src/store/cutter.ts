// Chunks of a stream as it comes: bytes are gathered in the kernel's memory and cut there. Content that ends before `wholeBelowBytes` is one chunk.
import { instantiateKernel, type Kernel, SLACK_BYTES } from '../../kernels/index.ts'
import { batchBytes, chunkBits, leastChunkBytes, mostChunkBytes, wholeBelowBytes } from './sizes.ts'

const pageBytes = 64 << 10

export interface Cut {
  /** Where it stands in the cutter's memory, until `drop`. */
  readonly at: number
  readonly sizeBytes: number
}

export class Cutter {
  readonly #kernel: Kernel
  readonly #base: number
  #memory: Uint8Array
  /** Bytes gathered, and of these, cut. */
  #filled = 0
  #done = 0
  #isWhole = true

  constructor(module: WebAssembly.Module) {
    this.#kernel = instantiateKernel(module)
    this.#base = this.#kernel.heapBase()
    this.#memory = new Uint8Array(this.#kernel.memory.buffer)
  }

  /** For another content. */
  reset(): void {
    this.#filled = 0
    this.#done = 0
    this.#isWhole = true
  }

  /** Takes as many of the bytes as fit; how many. */
  fill(bytes: Uint8Array): number {
    const count = Math.min(bytes.length, batchBytes - this.#filled)
    const needed = this.#base + this.#filled + count + SLACK_BYTES
    if (needed > this.#memory.length) {
      const wanted = Math.min(Math.max(needed, this.#memory.length * 2), this.#base + batchBytes + SLACK_BYTES)
      this.#kernel.memory.grow(Math.ceil((wanted - this.#memory.length) / pageBytes))
      this.#memory = new Uint8Array(this.#kernel.memory.buffer)
    }
    this.#memory.set(bytes.subarray(0, count), this.#base + this.#filled)
    this.#filled += count
    return count
  }

  get isFull(): boolean {
    return this.#filled === batchBytes
  }

  /** Cuts what is gathered, but for an end that more bytes could change, unless none come. Take `view`s, then `drop`. */
  cut(isLast: boolean): Cut[] {
    if (isLast && this.#isWhole && this.#filled < wholeBelowBytes) {
      this.#done = this.#filled
      return this.#filled === 0 ? [] : [{ at: 0, sizeBytes: this.#filled }]
    }
    this.#isWhole = false
    const cuts: Cut[] = []
    while (this.#filled - this.#done >= (isLast ? 1 : mostChunkBytes)) {
      const left = this.#filled - this.#done
      const sizeBytes = this.#kernel.chunkSize(this.#base + this.#done, left, leastChunkBytes, chunkBits, mostChunkBytes)
      cuts.push({ at: this.#done, sizeBytes })
      this.#done += sizeBytes
    }
    return cuts
  }

  view(at: number, sizeBytes: number): Uint8Array {
    return this.#memory.subarray(this.#base + at, this.#base + at + sizeBytes)
  }

  /** Forgets what was cut. */
  drop(): void {
    this.#memory.copyWithin(this.#base, this.#base + this.#done, this.#base + this.#filled)
    this.#filled -= this.#done
    this.#done = 0
  }
}

/** Cutters that are used again: the memory of one is freed only when it is collected. */
export class CutterPool {
  readonly #module: WebAssembly.Module
  readonly #idle: Cutter[] = []

  constructor(module: WebAssembly.Module) {
    this.#module = module
  }

  take(): Cutter {
    return this.#idle.pop() ?? new Cutter(this.#module)
  }

  give(cutter: Cutter): void {
    cutter.reset()
    if (this.#idle.length < 4) this.#idle.push(cutter)
  }
}
