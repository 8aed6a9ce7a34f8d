// Deflates objects and deltas with the kernel: about half of node:zlib's time (docs/decisions/0013), most of all for the small ones that packs are
// full of, since no stream object is made for each.
import { deflateSync } from 'node:zlib'
import { KernelSpace, largestBytes } from './kernel-space.ts'

export class Deflater {
  readonly #module: WebAssembly.Module | undefined
  #space: KernelSpace | undefined

  /** @param module the kernels' module where another thread has compiled it; else it is compiled at first need */
  constructor(module?: WebAssembly.Module) {
    this.#module = module
  }

  /** A zlib stream of the bytes; good until the next call. */
  view(bytes: Uint8Array): Uint8Array {
    if (bytes.length > largestBytes) return deflateSync(bytes, { level: 1, chunkSize: 1 << 20 })
    const space = (this.#space ??= new KernelSpace(this.#module, (kernel) => kernel.deflateBound(largestBytes)))
    space.memory.set(bytes, space.input)
    return space.result(space.kernel.deflate(space.input, bytes.length, space.output))
  }
}
