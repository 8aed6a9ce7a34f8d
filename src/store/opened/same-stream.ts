// Whether an encoder makes a deflate stream again, seen while the stream is inflated: what it makes is held against what came.
import type { DeflateEncoder } from '../replay/index.ts'

export class SameStream {
  readonly #encoder: DeflateEncoder
  /** Bytes of the stream that the encoder has not made yet: about what it holds back. */
  #came: Uint8Array[] = []
  #at = 0

  constructor(encoder: DeflateEncoder) {
    this.#encoder = encoder
  }

  /** What comes next of the stream; before what it holds. Copies the bytes. */
  deflated(bytes: Uint8Array): void {
    this.#came.push(new Uint8Array(bytes))
  }

  /** What it holds. False: the encoder makes another stream. */
  plain(bytes: Uint8Array): boolean {
    return this.#encoder.push(bytes).every((made) => this.#isNext(made))
  }

  /** Whether that was all, and all was made. */
  end(): boolean {
    return this.#encoder.end().every((made) => this.#isNext(made)) && this.#came.length === 0
  }

  #isNext(made: Uint8Array): boolean {
    for (let at = 0; at < made.length; ) {
      const came = this.#came[0]
      if (came === undefined) return false
      const count = Math.min(made.length - at, came.length - this.#at)
      if (Buffer.compare(made.subarray(at, at + count), came.subarray(this.#at, this.#at + count)) !== 0) return false
      at += count
      this.#at += count
      if (this.#at === came.length) {
        this.#came.shift()
        this.#at = 0
      }
    }
    return true
  }
}
