// The twin of zlib-match.ts: zlib's own search (deflate.c: longest_match), place by place.

const mask = 0x7fff
const mostDistance = 0x8000 - 262
const mostMatch = 258

export interface ZlibSearch {
  readonly index: number
  readonly end: number
  readonly least: number
  readonly tries: number
  readonly nice: number
  /** Matches of three farther away don't count. */
  readonly far: number
  /** Of its hash's places the farthest that there may be counts only where it is the first: so is zlib. */
  readonly isExact: boolean
}

export class ZlibMatch {
  readonly #bytes: Uint8Array
  readonly #kind: number
  readonly #heads = new Int32Array(1 << 16)
  readonly #previous = new Int32Array(mask + 1)

  /** @param kind of the hash: three bytes in 15 or 16 bits, or four in 15 */
  constructor(bytes: Uint8Array, kind: number) {
    this.#bytes = bytes
    this.#kind = kind
  }

  note(index: number, end: number): void {
    const [a = 0, b = 0, c = 0, d = 0] = this.#bytes.subarray(index, Math.min(index + 4, end))
    const hash = [
      ((a << 10) ^ (b << 5) ^ c) & 0x7fff,
      ((a << 12) ^ (b << 6) ^ c) & 0xffff,
      (Math.imul(a | (b << 8) | (c << 16) | (d << 24), 0x9e3779b1) >>> 17) & 0x7fff,
    ][this.#kind] as number
    this.#previous[index & mask] = this.#heads[hash] as number
    this.#heads[hash] = index
  }

  /** The place has been noted. Its longest match that is longer than `least`, the nearest of such; null: there is none. */
  search({ index, end, least, tries, nice, far, isExact }: ZlibSearch): { readonly length: number; readonly distance: number } | null {
    const bytes = this.#bytes
    const most = Math.min(mostMatch, end - index)
    let nearest = Math.max(index - mostDistance, 1)
    let [length, distance] = [least, 0]
    let place = this.#previous[index & mask] as number
    for (let left = tries; left > 0 && place >= nearest && length < most; left--) {
      let count = 0
      while (count < most && bytes[place + count] === bytes[index + count]) count++
      if (count > length) {
        length = count
        distance = index - place
        if (count >= Math.min(nice, most)) break
      }
      place = this.#previous[place & mask] as number
      if (isExact) nearest = Math.max(index - mostDistance + 1, 1)
    }
    return distance === 0 || (length === 3 && distance > far) ? null : { length, distance }
  }
}
