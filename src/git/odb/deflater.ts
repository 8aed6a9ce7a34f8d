// Deflates objects and deltas with the kernel: about half of node:zlib's time (docs/decisions/0013), most of all for the small ones that packs are
// full of, since no stream object is made for each. Large ones go to node:zlib, so that this memory stays small.
import { deflateSync } from 'node:zlib'
import { compileKernel, instantiateKernel, type Kernel, SLACK_BYTES } from '../../../kernels/index.ts'

const largestBytes = 1 << 20
const pageBytes = 65536

export class Deflater {
  readonly #module: WebAssembly.Module | undefined
  #kernel: Kernel | undefined
  #input = 0
  #output = 0
  #memory = new Uint8Array(0)

  /** @param module the kernels' module where another thread has compiled it; else it is compiled at first need */
  constructor(module?: WebAssembly.Module) {
    this.#module = module
  }

  /** A zlib stream of the bytes; good until the next call. */
  view(bytes: Uint8Array): Uint8Array {
    if (bytes.length > largestBytes) return deflateSync(bytes, { level: 1, chunkSize: 1 << 20 })
    const kernel = (this.#kernel ??= this.#start())
    this.#memory.set(bytes, this.#input)
    const count = kernel.deflate(this.#input, bytes.length, this.#output)
    return this.#memory.subarray(this.#output, this.#output + count)
  }

  #start(): Kernel {
    const kernel = instantiateKernel(this.#module ?? compileKernel())
    this.#input = kernel.heapBase()
    this.#output = this.#input + largestBytes + SLACK_BYTES
    const end = this.#output + kernel.deflateBound(largestBytes) + SLACK_BYTES
    kernel.memory.grow(Math.ceil((end - kernel.memory.buffer.byteLength) / pageBytes))
    this.#memory = new Uint8Array(kernel.memory.buffer)
    return kernel
  }
}
