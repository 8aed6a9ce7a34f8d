// One reader of a flight: goes through its file as far as it has come, and waits for more. An iterator of its own rather than a generator, whose `return`
// would wait for bytes that nobody wants any more.
import type { GrowingFile } from './growing-file.ts'

export interface FlightReaderParts {
  readonly from: number
  readonly file: GrowingFile
  /** How far it may go now, and whether that is its end; throws where there will be no good end. */
  readonly end: () => { readonly at: number; readonly isLast: boolean }
  /** Called when there may be more. */
  readonly waiting: Set<() => void>
  /** Once, when it reads no more. */
  readonly left: () => Promise<void>
}

export class FlightReader implements AsyncIterableIterator<Uint8Array, void, undefined> {
  readonly #parts: FlightReaderParts
  #at: number
  #isLeft = false
  #wake: (() => void) | null = null

  constructor(parts: FlightReaderParts) {
    this.#parts = parts
    this.#at = parts.from
  }

  /** One call at a time. */
  async next(): Promise<IteratorResult<Uint8Array, void>> {
    try {
      for (;;) {
        if (this.#isLeft) return { done: true, value: undefined }
        const { at: end, isLast } = this.#parts.end()
        if (this.#at < end) {
          const piece = await this.#parts.file.read(this.#at, end - this.#at)
          this.#at += piece.length
          return { done: false, value: piece }
        }
        if (isLast) return await this.return()
        await new Promise<void>((wake) => {
          this.#wake = wake
          this.#parts.waiting.add(wake)
        })
      }
    } catch (error) {
      await this.return()
      throw error
    }
  }

  async return(): Promise<IteratorResult<Uint8Array, void>> {
    if (!this.#isLeft) {
      this.#isLeft = true
      if (this.#wake !== null) {
        this.#parts.waiting.delete(this.#wake)
        this.#wake()
      }
      await this.#parts.left()
    }
    return { done: true, value: undefined }
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return()
  }
}
