// A kernel of this thread's own, begun at first need, with room for one input and one output behind it.
import { compileKernel, instantiateKernel, type Kernel, SLACK_BYTES } from '../../../kernels/index.ts'

/** Inputs up to this go through the kernel; larger ones to node:zlib, so that this memory stays small. */
export const largestBytes = 1 << 20
const pageBytes = 65536

export class KernelSpace {
  readonly kernel: Kernel
  /** Where the input is put, and where the output begins. */
  readonly input: number
  readonly output: number
  readonly memory: Uint8Array

  /**
   * @param module the kernels' module where another thread has compiled it
   * @param outputBytes the largest output of the largest input
   */
  constructor(module: WebAssembly.Module | undefined, outputBytes: (kernel: Kernel) => number) {
    this.kernel = instantiateKernel(module ?? compileKernel())
    this.input = this.kernel.heapBase()
    this.output = this.input + largestBytes + SLACK_BYTES * 2
    const end = this.output + outputBytes(this.kernel) + SLACK_BYTES * 2
    this.kernel.memory.grow(Math.ceil((end - this.kernel.memory.buffer.byteLength) / pageBytes))
    this.memory = new Uint8Array(this.kernel.memory.buffer)
  }

  /** Part of the output; good until the next call of the kernel. */
  result(sizeBytes: number): Uint8Array {
    return this.memory.subarray(this.output, this.output + sizeBytes)
  }
}
