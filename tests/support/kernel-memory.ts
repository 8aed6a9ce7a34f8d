// A kernel for tests, with a flat memory to put inputs into.
import { compileKernel, instantiateKernel, type Kernel, SLACK_BYTES } from '../../kernels/index.ts'

export interface KernelMemory {
  readonly kernel: Kernel
  readonly bytes: Uint8Array
  /** Copies the parts behind one another, with room between them; returns where each begins. */
  place(...parts: readonly Uint8Array[]): number[]
}

export function kernelMemory(mebibytes = 16): KernelMemory {
  const kernel = instantiateKernel(compileKernel())
  kernel.memory.grow(mebibytes * 16)
  const bytes = new Uint8Array(kernel.memory.buffer)
  const place = (...parts: readonly Uint8Array[]) => {
    let next = kernel.heapBase() + SLACK_BYTES
    return parts.map((part) => {
      const at = next
      bytes.set(part, at)
      next = Math.ceil((at + part.length + SLACK_BYTES) / 64) * 64
      return at
    })
  }
  return { kernel, bytes, place }
}
