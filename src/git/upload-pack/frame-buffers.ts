// Large buffers that answers lay their frames out in, used again and again: a new one for each answer kept the collector busy.
// Invariant: a buffer that is given back is in use by nobody, not even by the socket.

/** 16 frames of side-band-64k. */
export const largeFramesBytes = 16 * 65520
const mostKept = 8

export class FrameBuffers {
  readonly #kept: Buffer[] = []

  take(): Buffer {
    return this.#kept.pop() ?? Buffer.allocUnsafeSlow(largeFramesBytes)
  }

  give(buffer: Buffer): void {
    if (buffer.length === largeFramesBytes && this.#kept.length < mostKept) this.#kept.push(buffer)
  }
}
