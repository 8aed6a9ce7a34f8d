// Inflates stored entries with the kernel: several times faster than node:zlib for the small ones that packs are full of, since no
// stream object is made for each.
import { inflateSync } from 'node:zlib'
import { Places } from '../../base/index.ts'
import { InflateStatus } from '../../../kernels/index.ts'
import { KernelSpace, largestBytes } from './kernel-space.ts'

export class Inflater {
  /** Whoever inflates something large piece by piece: one at a time in each thread. */
  readonly large = new Places(1)
  readonly #module: WebAssembly.Module | undefined
  #space: KernelSpace | undefined

  /** @param module the kernels' module where another thread has compiled it; else it is compiled at first need */
  constructor(module?: WebAssembly.Module) {
    this.#module = module
  }

  /** The payload of the zlib stream at the start of `deflated`, which must be `sizeBytes` long; null when it isn't, or the stream is bad. */
  inflate(deflated: Uint8Array, sizeBytes: number): Uint8Array | null {
    const bytes = this.view(deflated, sizeBytes)
    return bytes?.buffer === this.#space?.memory.buffer ? (bytes?.slice() ?? null) : bytes
  }

  /** The same, good until the next call: for what is only looked at. */
  view(deflated: Uint8Array, sizeBytes: number): Uint8Array | null {
    if (sizeBytes > largestBytes || deflated.length > largestBytes) return inflateLarge(deflated, sizeBytes)
    const space = (this.#space ??= new KernelSpace(this.#module, () => largestBytes))
    space.memory.set(deflated, space.input)
    const status = space.kernel.inflate(space.input, space.input + deflated.length, space.output, sizeBytes)
    return status === InflateStatus.ok ? space.result(sizeBytes) : null
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
