// Packed ids in ascending order, of which some are met: which ones are not?

export class SortedIds {
  readonly #ids: Uint8Array
  readonly #h: number
  readonly #seen: Uint8Array

  constructor(ids: Uint8Array, h: number) {
    this.#ids = ids
    this.#h = h
    this.#seen = new Uint8Array(Math.floor(ids.length / h))
  }

  /** Marks the id that starts at `at` in `bytes`; false when it is none of them. */
  see(bytes: Uint8Array, at: number): boolean {
    let low = 0
    let high = this.#seen.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const order = this.#compare(middle, bytes, at)
      if (order === 0) {
        this.#seen[middle] = 1
        return true
      }
      if (order < 0) low = middle + 1
      else high = middle
    }
    return false
  }

  /** The first that was not met; null: all were. */
  firstUnseen(): Uint8Array | null {
    const place = this.#seen.indexOf(0)
    return place < 0 ? null : this.#ids.subarray(place * this.#h, (place + 1) * this.#h)
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
