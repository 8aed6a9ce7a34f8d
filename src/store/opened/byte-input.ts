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

  /** The same, taken. The taker's own. */
  async take(count: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(await this.look(count))
    this.#held = this.#held.subarray(bytes.length)
    return bytes
  }

  /** The next bytes, as many as there are at once; null at the end. */
  async some(mostBytes = Number.POSITIVE_INFINITY): Promise<Uint8Array | null> {
    await this.look(1)
    if (this.#held.length === 0) return null
    const bytes = this.#held.subarray(0, mostBytes)
    this.#held = this.#held.subarray(bytes.length)
    return bytes
  }

  /** The end of what `some` gave last. */
  giveBack(bytes: Uint8Array): void {
    if (bytes.length > 0) this.#held = this.#held.length === 0 ? bytes : concatBytes([bytes, this.#held])
  }

  /** So many bytes, piece by piece; fewer where there are no more. */
  async *pieces(count: number): AsyncGenerator<Uint8Array, void, undefined> {
    for (let left = count; left > 0; ) {
      const bytes = await this.some(left)
      if (bytes === null) return
      left -= bytes.length
      yield bytes
    }
  }

  /** All that is left. */
  rest(): AsyncGenerator<Uint8Array, void, undefined> {
    return this.pieces(Number.POSITIVE_INFINITY)
  }

  /** Nobody takes any more. */
  async end(): Promise<void> {
    await this.#source.return?.()
  }
}
