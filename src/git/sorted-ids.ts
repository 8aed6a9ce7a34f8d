// Packed ids in ascending order, of which some are met: which ones are not?
import { concatBytes } from '../base/index.ts'

export class SortedIds {
  readonly #ids: Uint8Array
  readonly #h: number
  readonly #seen: Uint8Array
  /** How many were not met yet. */
  left: number

  constructor(ids: Uint8Array, h: number) {
    this.#ids = ids
    this.#h = h
    this.#seen = new Uint8Array(Math.floor(ids.length / h))
    this.left = this.#seen.length
  }

  /** Marks the id that starts at `at` in `bytes`; false when it is none of them. */
  see(bytes: Uint8Array, at: number): boolean {
    const place = this.#place(bytes, at)
    if (place < 0) return false
    if (this.#seen[place] === 0) this.left--
    this.#seen[place] = 1
    return true
  }

  has(bytes: Uint8Array, at: number): boolean {
    return this.#place(bytes, at) >= 0
  }

  #place(bytes: Uint8Array, at: number): number {
    let low = 0
    let high = this.#seen.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const order = this.#compare(middle, bytes, at)
      if (order === 0) return middle
      if (order < 0) low = middle + 1
      else high = middle
    }
    return -1
  }

  /** The first that was not met; null: all were. */
  firstUnseen(): Uint8Array | null {
    const place = this.#seen.indexOf(0)
    return place < 0 ? null : this.#ids.subarray(place * this.#h, (place + 1) * this.#h)
  }

  /** Those that were not met, packed, ascending. */
  unseen(): Uint8Array {
    return concatBytes([...this.#seen].flatMap((seen, i) => (seen === 0 ? [this.#ids.subarray(i * this.#h, (i + 1) * this.#h)] : [])))
  }

  #compare(place: number, bytes: Uint8Array, at: number): number {
    const start = place * this.#h
    for (let i = 0; i < this.#h; i++) {
      const difference = (this.#ids[start + i] as number) - (bytes[at + i] as number)
      if (difference !== 0) return difference
    }
    return 0
  }
}
