// Reads a raw deflate stream into its parts (RFC 1951): blocks, their headers as bits, and tokens. Piece by piece; nothing is kept but what is not yet
// whole. What the parts can't express (a length of 258 in the long way) is refused, as is what is no stream.
import { InputError } from '../../base/index.ts'
import { distanceExtraBits, distanceBase, lengthBase, lengthExtraBits, matchToken } from './bit-sink.ts'

export interface BlockStart {
  readonly isLast: boolean
  /** 0 stored, 1 fixed, 2 dynamic. */
  readonly kind: number
  /** Dynamic: what stands between the kind and the first token, the low bits of a byte first. */
  readonly header: Uint8Array
  readonly headerBits: number
}

/** Called in the stream's order. */
export interface DeflateParts {
  block(start: BlockStart): void
  token(token: number): void
  /** Of a stored block, in pieces. `padding` is what stood before its length, and counts with the first piece. */
  stored(bytes: Uint8Array, size: number, padding: number): void
  blockEnd(): void
  /** @param padding bits behind the last block */
  end(padding: number): void
}

const order = Uint8Array.of(16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15)
/** A dynamic header has at most 17 + 19 × 3 + 316 × 14 bits; a token at most 48. */
const mostHeaderBytes = 600

type State = 'block' | 'tokens' | 'stored' | 'done'

export class DeflateReader {
  readonly #parts: DeflateParts
  #bytes: Uint8Array = new Uint8Array(0)
  /** In bits. */
  #at = 0
  #state: State = 'block'
  #isLast = false
  #storedLeft = 0
  #literals: Decoder = fixedLiteralDecoder
  #distances: Decoder = fixedDistanceDecoder

  constructor(parts: DeflateParts) {
    this.#parts = parts
  }

  /** InputError 'deflate' for what is no deflate stream, or none that can be told by its parts. */
  push(bytes: Uint8Array): void {
    this.#append(bytes)
    this.#run(false)
  }

  end(): void {
    this.#append(new Uint8Array(mostHeaderBytes))
    const size = this.#bytes.length * 8 - mostHeaderBytes * 8
    this.#run(true)
    if (this.#state !== 'done' || this.#at !== size) throw bad('it does not end where its bytes do')
  }

  #append(bytes: Uint8Array): void {
    const used = this.#at >> 3
    const joined = new Uint8Array(this.#bytes.length - used + bytes.length)
    joined.set(this.#bytes.subarray(used))
    joined.set(bytes, this.#bytes.length - used)
    this.#bytes = joined
    this.#at &= 7
  }

  #left(): number {
    return this.#bytes.length - (this.#at >> 3)
  }

  #run(isEnd: boolean): void {
    while (this.#state !== 'done') {
      if (this.#state === 'stored') {
        if (!this.#stored(isEnd)) return
      } else if (this.#state === 'block') {
        if (this.#left() < mostHeaderBytes) return
        this.#block()
      } else if (!this.#tokens()) return
    }
    if (!isEnd && this.#left() > 0) throw bad('bytes follow it')
  }

  #take(count: number): number {
    const bits = this.#peek() & ((1 << count) - 1)
    this.#at += count
    return bits
  }

  /** At least 16 bits. */
  #peek(): number {
    const bytes = this.#bytes
    const i = this.#at >> 3
    return ((bytes[i] ?? 0) | ((bytes[i + 1] ?? 0) << 8) | ((bytes[i + 2] ?? 0) << 16)) >>> (this.#at & 7)
  }

  #block(): void {
    this.#isLast = this.#take(1) === 1
    const kind = this.#take(2)
    if (kind === 3) throw bad('a block of no kind')
    const start = this.#at
    if (kind === 0) {
      const padding = this.#take((8 - (this.#at & 7)) & 7)
      const size = this.#take(16)
      if ((this.#take(16) ^ size) !== 0xffff) throw bad('a stored block of two sizes')
      this.#parts.block({ isLast: this.#isLast, kind, header: new Uint8Array(0), headerBits: 0 })
      this.#parts.stored(new Uint8Array(0), size, padding)
      this.#storedLeft = size
      this.#state = 'stored'
      return
    }
    this.#literals = fixedLiteralDecoder
    this.#distances = fixedDistanceDecoder
    if (kind === 2) this.#codes()
    const headerBits = this.#at - start
    const end = this.#at
    const header = new Uint8Array((headerBits + 7) >> 3)
    this.#at = start
    for (let i = 0; i < header.length; i++) header[i] = this.#take(Math.min(8, end - this.#at))
    this.#parts.block({ isLast: this.#isLast, kind, header, headerBits })
    this.#state = 'tokens'
  }

  #codes(): void {
    const sizes = readCodeSizes(
      (count) => this.#take(count),
      (decoder) => this.#symbol(decoder),
    )
    this.#literals = new Decoder(sizes.literals)
    this.#distances = new Decoder(sizes.distances)
  }

  #symbol(decoder: Decoder): number {
    const entry = decoder.table[this.#peek() & 0x7fff] ?? 0
    if (entry === 0) throw bad('a code that is none')
    this.#at += entry & 15
    return entry >> 4
  }

  /** False when more bytes are needed. */
  #tokens(): boolean {
    const limit = this.#bytes.length - 8
    while (this.#at >> 3 < limit) {
      const symbol = this.#symbol(this.#literals)
      if (symbol < 256) {
        this.#parts.token(symbol)
        continue
      }
      if (symbol === 256) {
        this.#endBlock()
        return true
      }
      const code = symbol - 257
      if (code > 28) throw bad('a length that is none')
      const length = (lengthBase[code] ?? 0) + this.#take(lengthExtraBits[code] ?? 0)
      if (length === 255 && code !== 28) throw bad('a length of 258 in the long way')
      const distanceCode = this.#symbol(this.#distances)
      if (distanceCode > 29) throw bad('a distance that is none')
      const distance = (distanceBase[distanceCode] ?? 0) + this.#take(distanceExtraBits[distanceCode] ?? 0)
      this.#parts.token(matchToken + (length << 22) + distance)
    }
    return false
  }

  /** False when more bytes are needed. */
  #stored(isEnd: boolean): boolean {
    const start = this.#at >> 3
    const size = Math.min(this.#storedLeft, this.#left() - (isEnd ? mostHeaderBytes : 0), 32 * 1024)
    if (size > 0) this.#parts.stored(this.#bytes.subarray(start, start + size), 0, 0)
    this.#at += size * 8
    this.#storedLeft -= size
    if (this.#storedLeft === 0) this.#endBlock()
    else if (size <= 0) return false
    return true
  }

  #endBlock(): void {
    this.#parts.blockEnd()
    this.#state = this.#isLast ? 'done' : 'block'
    if (this.#isLast) this.#parts.end(this.#take((8 - (this.#at & 7)) & 7))
  }
}

/** RFC 1951, 3.2.7. */
export function readCodeSizes(
  take: (count: number) => number,
  symbol: (decoder: Decoder) => number,
): { literals: Uint8Array; distances: Uint8Array } {
  const literalCount = take(5) + 257
  const distanceCount = take(5) + 1
  const codeCount = take(4) + 4
  const sizes = new Uint8Array(19)
  for (let i = 0; i < codeCount; i++) sizes[order[i] ?? 0] = take(3)
  const decoder = new Decoder(sizes)
  const all = new Uint8Array(literalCount + distanceCount)
  for (let at = 0; at < all.length; ) {
    const code = symbol(decoder)
    if (code < 16) {
      all[at++] = code
      continue
    }
    if (code === 16 && at === 0) throw bad('a repeat of nothing')
    const size = code === 16 ? (all[at - 1] ?? 0) : 0
    const times = code === 16 ? 3 + take(2) : code === 17 ? 3 + take(3) : 11 + take(7)
    if (at + times > all.length) throw bad('more codes than it says')
    all.fill(size, at, at + times)
    at += times
  }
  return { literals: all.slice(0, literalCount), distances: all.slice(literalCount) }
}

/** For the next 15 bits: symbol << 4 | size, or 0. */
export class Decoder {
  readonly table = new Uint16Array(1 << 15)

  constructor(sizes: Uint8Array) {
    const next = new Uint32Array(17)
    for (const size of sizes) if (size > 0) next[size + 1]!++
    let used = 0
    for (let size = 1; size < 16; size++) {
      used += (next[size + 1] ?? 0) * 2 ** (15 - size)
      next[size] = ((next[size - 1] ?? 0) + (next[size] ?? 0)) * 2
    }
    if (used > 1 << 15) throw bad('more codes than fit')
    for (let symbol = 0; symbol < sizes.length; symbol++) {
      const size = sizes[symbol] ?? 0
      if (size === 0) continue
      let code = next[size]!++
      let first = 0
      for (let i = 0; i < size; i++, code >>= 1) first = (first << 1) | (code & 1)
      for (let i = first; i < 1 << 15; i += 1 << size) this.table[i] = (symbol << 4) | size
    }
  }
}

const fixedLiteralDecoder = new Decoder(
  Uint8Array.from({ length: 288 }, (_, symbol) => (symbol < 144 ? 8 : symbol < 256 ? 9 : symbol < 280 ? 7 : 8)),
)
const fixedDistanceDecoder = new Decoder(new Uint8Array(30).fill(5))

function bad(what: string): InputError {
  return new InputError('deflate', `not a deflate stream that is known: ${what}`)
}
