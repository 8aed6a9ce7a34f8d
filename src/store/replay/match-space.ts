// The memory that zlib's matcher works in: a kernel's, with the bytes and the tables. Used again by the next stream, for a memory is freed only when it is collected.
import { type Kernel, instantiateKernel, SLACK_BYTES } from '../../../kernels/index.ts'

/** How many bytes it holds. */
export const spaceBytes = 256 * 1024
/** The last places of hashes, with which the tables begin (kernels/assembly/zlib-match.ts). */
const heads = 2 << 16
const pageBytes = 64 * 1024

export class MatchSpace {
  readonly kernel: Kernel
  /** With room behind them. */
  readonly bytes: Uint8Array
  /** The last place of each hash; 0 is none. */
  readonly heads: Int32Array
  readonly bytesAt: number
  readonly tablesAt: number

  constructor(module: WebAssembly.Module) {
    this.kernel = instantiateKernel(module)
    this.tablesAt = this.kernel.heapBase()
    this.bytesAt = this.tablesAt + this.kernel.zlibTableBytes()
    const wanted = this.bytesAt + spaceBytes + SLACK_BYTES
    const { memory } = this.kernel
    memory.grow(Math.max(0, Math.ceil((wanted - memory.buffer.byteLength) / pageBytes)))
    this.bytes = new Uint8Array(memory.buffer, this.bytesAt, spaceBytes + SLACK_BYTES)
    this.heads = new Int32Array(memory.buffer, this.tablesAt, heads)
  }
}

/** Of one thread. A space that isn't given back goes with whoever had it. */
export class MatchSpaces {
  readonly #module: WebAssembly.Module
  readonly #idle: MatchSpace[] = []

  constructor(module: WebAssembly.Module) {
    this.#module = module
  }

  /** One without places. */
  take(): MatchSpace {
    const space = this.#idle.pop() ?? new MatchSpace(this.#module)
    space.heads.fill(0)
    return space
  }

  give(space: MatchSpace): void {
    if (this.#idle.length < 4) this.#idle.push(space)
  }
}
