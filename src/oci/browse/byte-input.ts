// A stream's bytes, taken as they are needed.
import { concatBytes } from '../../base/index.ts'

export class ByteInput {
  readonly #source: AsyncIterator<Uint8Array>
  #held: Uint8Array = new Uint8Array()
  #hasEnded = false

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]()
  }

  /** The next bytes without taking them: so many, or as many as there are. */
  async look(count: number): Promise<Uint8Array> {
    while (this.#held.length < count && !this.#hasEnded) {
      const { done, value } = await this.#source.next()
      if (done === true) this.#hasEnded = true
      else this.#held = this.#held.length === 0 ? value : concatBytes([this.#held, value])
    }
    return this.#held.subarray(0, count)
  }

  /** The same, taken. */
  async take(count: number): Promise<Uint8Array> {
    const bytes = await this.look(count)
    this.#held = this.#held.subarray(bytes.length)
    return bytes
  }

  /** So many bytes, piece by piece; fewer where there are no more. */
  async *pieces(count: number): AsyncGenerator<Uint8Array, void, undefined> {
    for (let left = count; left > 0; ) {
      await this.look(1)
      const bytes = this.#held.subarray(0, left)
      if (bytes.length === 0) return
      this.#held = this.#held.subarray(bytes.length)
      left -= bytes.length
      yield bytes
    }
  }

  /** All that is left. */
  rest(): AsyncGenerator<Uint8Array, void, undefined> {
    return this.pieces(Number.POSITIVE_INFINITY)
  }
}
