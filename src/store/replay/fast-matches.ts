// What the fast levels of klauspost's compress/flate share (fast_encoder.go): the bytes so far, tables of the places where hashes last stood, and the
// tokens of a block. Places are counted on from block to block (`base`), so that those of a stream before are out of reach by themselves.
import { matchToken } from './bit-sink.ts'

export const mostDistance = 32 * 1024
const mostBlockBytes = 65_535
/** The buffer's size bears on the streams: a match is not extended back across its start. */
const historyBytes = mostBlockBytes * 5
const rebaseAt = 2 ** 31 - historyBytes - mostBlockBytes - 1
/** No match begins in the last bytes of a block. */
export const margin = 11
const mostMatch = 258

export interface Tables {
  readonly short: Int32Array
  readonly long: Int32Array
  /** What stood in the table before; empty where a level keeps one place only. */
  readonly shortBefore: Int32Array
  readonly longBefore: Int32Array
}

export class FastMatches {
  readonly bytes = new Uint8Array(historyBytes + 16)
  readonly view = new DataView(this.bytes.buffer)
  size = 0
  /** The place of bytes[0]. */
  base = mostBlockBytes
  readonly tables: Tables
  readonly tokens = new Int32Array(mostBlockBytes + 1)
  tokenCount = 0
  /** Up to where tokens stand for the bytes. */
  emitted = 0
  // The match that a level has found.
  at = 0
  from = 0
  length = 0
  /** Where the search would have gone on. */
  next = 0
  /** Behind here no match begins. */
  limit = 0

  constructor(shortBits: number, longBits: number, keepsShort: boolean, keepsLong: boolean) {
    const table = (bits: number, isKept = true) => new Int32Array(isKept && bits > 0 ? 1 << bits : 0)
    this.tables = {
      short: table(shortBits),
      long: table(longBits),
      shortBefore: table(shortBits, keepsShort),
      longBefore: table(longBits, keepsLong),
    }
  }

  /** What has been is out of reach; nothing is cleared. */
  reset(): void {
    if (this.base <= rebaseAt) this.base += mostDistance + this.size
    this.size = 0
    this.tokenCount = 0
  }

  /** Takes a block in. @returns where it begins */
  add(block: Uint8Array): number {
    if (this.base >= rebaseAt) this.#rebase()
    if (this.size + block.length > historyBytes) {
      const less = this.size - mostDistance
      this.bytes.copyWithin(0, less, this.size)
      this.base += less
      this.size = mostDistance
    }
    const start = this.size
    this.bytes.set(block, start)
    this.size += block.length
    this.tokenCount = 0
    this.emitted = start
    this.limit = this.size - margin
    return start
  }

  /** How far the bytes at both places are the same, up to `most`. */
  same(a: number, b: number, most: number): number {
    const { view, bytes } = this
    let n = 0
    while (n + 4 <= most && view.getInt32(a + n, true) === view.getInt32(b + n, true)) n += 4
    while (n < most && bytes[a + n] === bytes[b + n]) n++
    return n
  }

  /** The length of a match whose first four bytes are known to be the same, up to the longest that a token holds. */
  shortMatch(at: number, from: number): number {
    return 4 + this.same(at + 4, from + 4, Math.min(mostMatch - 4, this.size - at - 4))
  }

  longMatch(at: number, from: number): number {
    return 4 + this.same(at + 4, from + 4, this.size - at - 4)
  }

  /** Longer to the front, as far as nothing has been emitted. */
  extendBack(): void {
    const { bytes, emitted } = this
    while (this.from > 0 && this.at > emitted && bytes[this.from - 1] === bytes[this.at - 1]) {
      this.at--
      this.from--
      this.length++
    }
  }

  /** The literals before the match, and the match, in several tokens where it is longer than one holds. */
  emit(): void {
    const { tokens, bytes } = this
    let count = this.tokenCount
    for (let i = this.emitted; i < this.at; i++) tokens[count++] = bytes[i] ?? 0
    const distance = this.at - this.from - 1
    for (let left = this.length; left > 0; ) {
      const part = left <= mostMatch ? left : left > mostMatch + 3 ? mostMatch : mostMatch - 3
      tokens[count++] = matchToken + ((part - 3) << 22) + distance
      left -= part
    }
    this.tokenCount = count
    this.emitted = this.at + this.length
  }

  /** What is left of the block; nothing where it had no match at all: it is then no block of tokens. */
  emitRest(): void {
    if (this.tokenCount === 0) return
    for (let i = this.emitted; i < this.size; i++) this.tokens[this.tokenCount++] = this.bytes[i] ?? 0
    this.emitted = this.size
  }

  #rebase(): void {
    const least = this.base + this.size - mostDistance
    for (const table of Object.values(this.tables) as Int32Array[]) {
      for (let i = 0; i < table.length; i++) table[i] = (table[i] ?? 0) <= least ? 0 : (table[i] ?? 0) - this.base + mostDistance
    }
    this.base = mostDistance
  }
}

/** Of four bytes. */
export function hash4(view: DataView, at: number, bits: number): number {
  return Math.imul(view.getInt32(at, true), 0x9e3779b1) >>> (32 - bits)
}

/** Of five: the upper half of the product with 0xcf1bbcdcbb, of the bytes as the upper 40 bits of 64. */
export function hash5(view: DataView, at: number, bits: number): number {
  return product5(view.getUint8(at), view.getInt32(at + 1, true)) >>> (32 - bits)
}

/** Of four and a zero: where upstream has shifted the fifth away. */
export function hash5Cut(view: DataView, at: number, bits: number): number {
  return product5(view.getUint8(at), view.getInt32(at + 1, true) & 0xffffff) >>> (32 - bits)
}

function product5(first: number, others: number): number {
  const carried = Math.imul(Math.imul(first, 0x1bbc), 256) + (Math.imul(first, 0xdcbb) >>> 8)
  return carried + Math.imul(first << 24, 0xcf) + Math.imul(others, 0x1bbcdcbb)
}

/** Of seven: the upper half of the product with 0xcf1bbcdcbfa563, of the bytes as the upper 56 bits of 64. */
export function hash7(view: DataView, at: number, bits: number): number {
  const lower = view.getInt32(at, true) << 8
  const [low, high] = [lower & 0xffff, lower >>> 16]
  const middle = Math.imul(low, 0xdcbf)
  const otherMiddle = Math.imul(high, 0xa563)
  const sum = (middle & 0xffff) + (otherMiddle & 0xffff) + (Math.imul(low, 0xa563) >>> 16)
  const carried = Math.imul(high, 0xdcbf) + (middle >>> 16) + (otherMiddle >>> 16) + (sum >>> 16)
  const upper = carried + Math.imul(lower, 0x00cf1bbc) + Math.imul(view.getInt32(at + 3, true), 0xdcbfa563)
  return upper >>> (32 - bits)
}
