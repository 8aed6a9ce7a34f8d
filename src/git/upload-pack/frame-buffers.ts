// Buffers that answers are read into and lay their frames out in, used again and again: new ones for each answer kept the collector busy.
// Invariants: a buffer that is given back is in use by nobody, not even by the socket; no more answers than `mostLarge` have large ones at once,
// however many clients are slow: others make do with small ones.

const bufferBytes = { small: 256 << 10, large: 1 << 20 }
const mostKept = { small: 32, large: 8 }
/** Each takes two. */
const mostLarge = 16
/** Room for 4 and 16 frames of side-band-64k; a flush packet has room behind them. */
const frameBytes = { small: 4 * 65520, large: 16 * 65520 }

export type FrameBufferSize = keyof typeof frameBytes

export class FrameBuffers {
  readonly #kept = { small: [] as Buffer[], large: [] as Buffer[] }
  #large = 0

  /** Whether one more answer may use large buffers: then it calls `leave` when it is done. */
  enter(): boolean {
    if (this.#large >= mostLarge) return false
    this.#large++
    return true
  }

  leave(): void {
    this.#large--
  }

  /** 256 KiB or 1 MiB. */
  take(size: FrameBufferSize): Buffer {
    return this.#kept[size].pop() ?? Buffer.allocUnsafeSlow(bufferBytes[size])
  }

  give(buffer: Buffer): void {
    const size = buffer.length === bufferBytes.small ? 'small' : 'large'
    if (this.#kept[size].length < mostKept[size]) this.#kept[size].push(buffer)
  }
}

/** How many bytes of such a buffer whole frames take, or the pack alone where there are no frames (0). */
export function frameCapacity(size: FrameBufferSize, oneFrameBytes: number): number {
  return oneFrameBytes === 0 ? frameBytes[size] : Math.floor(frameBytes[size] / oneFrameBytes) * oneFrameBytes
}
