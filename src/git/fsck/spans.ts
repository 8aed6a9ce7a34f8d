// CRCs of parts of a value that lie one behind the other, from its bytes as they come.
import { crc32 } from 'node:zlib'

export class Spans {
  readonly #startOf: ((part: number) => number) | null
  readonly #count: number
  readonly #end: number
  #part = 0
  #crc = 0
  #at = 0

  /** @param startOf where part i begins; null: there are none */
  constructor(startOf: ((part: number) => number) | null, count: number, end: number) {
    this.#startOf = startOf
    this.#count = count
    this.#end = end
  }

  /** The next bytes; `done` is called for each part that ends in them. */
  take(bytes: Uint8Array, done: (part: number, crc: number) => void): void {
    if (this.#startOf === null) return
    const until = this.#at + bytes.length
    for (let from = 0; this.#at < until && this.#part < this.#count; ) {
      const start = this.#startOf(this.#part)
      if (this.#at < start) {
        const skipped = Math.min(start, until) - this.#at
        this.#at += skipped
        from += skipped
        continue
      }
      const end = this.#part + 1 < this.#count ? this.#startOf(this.#part + 1) : this.#end
      const part = bytes.subarray(from, from + Math.min(end, until) - this.#at)
      this.#crc = crc32(part, this.#crc)
      this.#at += part.length
      from += part.length
      if (this.#at < end) break
      done(this.#part++, this.#crc)
      this.#crc = 0
    }
    this.#at = until
  }
}
