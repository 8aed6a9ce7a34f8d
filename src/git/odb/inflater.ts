// Inflates stored entries with the kernel: several times faster than node:zlib for the small ones that packs are full of, since no
// stream object is made for each. Large ones go to node:zlib, so that this memory stays small.
import { inflateSync } from 'node:zlib'
import { Places } from '../../base/index.ts'
import { compileKernel, InflateStatus, instantiateKernel, type Kernel, SLACK_BYTES } from '../../../kernels/index.ts'

const largestBytes = 1 << 20
const pageBytes = 65536

export class Inflater {
  /** Whoever inflates something large piece by piece: one at a time in each thread. */
  readonly large = new Places(1)
  readonly #module: WebAssembly.Module | undefined
  #kernel: Kernel | undefined
  #input = 0
  #output = 0
  #memory = new Uint8Array(0)

  /** @param module the kernels' module where another thread has compiled it; else it is compiled at first need */
  constructor(module?: WebAssembly.Module) {
    this.#module = module
  }

  /** The payload of the zlib stream at the start of `deflated`, which must be `sizeBytes` long; null when it isn't, or the stream is bad. */
  inflate(deflated: Uint8Array, sizeBytes: number): Uint8Array | null {
    const bytes = this.view(deflated, sizeBytes)
    return bytes?.buffer === this.#memory.buffer ? bytes.slice() : bytes
  }

  /** The same, good until the next call: for what is only looked at. */
  view(deflated: Uint8Array, sizeBytes: number): Uint8Array | null {
    if (sizeBytes > largestBytes || deflated.length > largestBytes) return inflateLarge(deflated, sizeBytes)
    const kernel = (this.#kernel ??= this.#start())
    this.#memory.set(deflated, this.#input)
    const status = kernel.inflate(this.#input, this.#input + deflated.length, this.#output, sizeBytes)
    return status === InflateStatus.ok ? this.#memory.subarray(this.#output, this.#output + sizeBytes) : null
  }

  #start(): Kernel {
    const kernel = instantiateKernel(this.#module ?? compileKernel())
    this.#input = kernel.heapBase()
    this.#output = this.#input + largestBytes + SLACK_BYTES * 2
    const end = this.#output + largestBytes + SLACK_BYTES * 2
    kernel.memory.grow(Math.ceil((end - kernel.memory.buffer.byteLength) / pageBytes))
    this.#memory = new Uint8Array(kernel.memory.buffer)
    return kernel
  }
}

function inflateLarge(deflated: Uint8Array, sizeBytes: number): Uint8Array | null {
  try {
    const bytes = inflateSync(deflated, { maxOutputLength: Math.max(sizeBytes, 1) })
    return bytes.length === sizeBytes ? bytes : null
  } catch {
    return null
  }
}
