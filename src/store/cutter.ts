// Chunks of a stream as it comes: bytes are gathered in the kernel's memory and cut there. Content that ends before `wholeBelowBytes` is one chunk.
// Content that has parts of its own (the files of an archive) is cut at their borders, too, and each part as if it were content by itself.
import { instantiateKernel, type Kernel, SLACK_BYTES } from '../../kernels/index.ts'
import { batchBytes, chunkBits, leastChunkBytes, mostChunkBytes, wholeBelowBytes } from './sizes.ts'

const pageBytes = 64 << 10

export interface Cut {
  /** Where it stands in the cutter's memory, until `drop`. */
  readonly at: number
  readonly sizeBytes: number
}

/** A part that was announced: so many bytes of it are still to be cut. */
interface Part {
  leftBytes: number
  readonly isOneChunk: boolean
}

export class Cutter {
  readonly #kernel: Kernel
  readonly #base: number
  #memory: Uint8Array
  /** Bytes gathered, and of these, cut. */
  #filled = 0
  #done = 0
  #isWhole = true
  /** Parts whose end hasn't been cut yet, in their order. */
  readonly #parts: Part[] = []

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
    this.#parts.length = 0
  }

  /**
   * Says that behind all that was said before, a part of so many bytes comes: it has chunks of its own; one, where it is small, unless it is to be cut all the same.
   * Where one is announced, all are, the first before any bytes come.
   */
  part(sizeBytes: number, isCut = false): void {
    if (sizeBytes > 0) this.#parts.push({ leftBytes: sizeBytes, isOneChunk: !isCut && sizeBytes < wholeBelowBytes })
  }

  /** The last part that was announced ends so many bytes earlier. */
  cutShort(missingBytes: number): void {
    const last = this.#parts.at(-1)
    if (last === undefined || last.leftBytes < missingBytes) throw new RangeError('a part is shorter than it was announced, and was cut')
    last.leftBytes -= missingBytes
    if (last.leftBytes === 0) this.#parts.pop()
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
    const cuts = this.#cutParts(isLast)
    // behind an announced part comes another one, or nothing
    if (cuts.length > 0 || this.#parts.length > 0) return cuts
    return this.#cutRest(isLast)
  }

  #cutParts(isLast: boolean): Cut[] {
    const cuts: Cut[] = []
    for (let part = this.#parts[0]; part !== undefined && this.#done < this.#filled; part = this.#parts[0]) {
      const here = Math.min(part.leftBytes, this.#filled - this.#done)
      const isEnd = here === part.leftBytes || isLast
      if (!isEnd && (part.isOneChunk || here < mostChunkBytes)) break
      const sizeBytes = part.isOneChunk ? here : this.#chunkSize(here)
      cuts.push({ at: this.#done, sizeBytes })
      this.#done += sizeBytes
      part.leftBytes -= sizeBytes
      if (part.leftBytes === 0) this.#parts.shift()
    }
    return cuts
  }

  #cutRest(isLast: boolean): Cut[] {
    if (isLast && this.#isWhole && this.#filled < wholeBelowBytes) {
      this.#done = this.#filled
      return this.#filled === 0 ? [] : [{ at: 0, sizeBytes: this.#filled }]
    }
    this.#isWhole = false
    const cuts: Cut[] = []
    while (this.#filled - this.#done >= (isLast ? 1 : mostChunkBytes)) {
      const left = this.#filled - this.#done
      const sizeBytes = this.#chunkSize(left)
      cuts.push({ at: this.#done, sizeBytes })
      this.#done += sizeBytes
    }
    return cuts
  }

  #chunkSize(leftBytes: number): number {
    return this.#kernel.chunkSize(this.#base + this.#done, leftBytes, leastChunkBytes, chunkBits, mostChunkBytes)
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
