// Levels 7 to 9 of klauspost's compress/flate (deflate.go, deflateLazy): chains of places by the hash of four bytes, lazy matching, and a second look at
// each match by its end. The window moves when it is full, as in Go's own (go-deflate.ts).
import { distanceCodeOf, distanceExtraBits, lengthCodeOf, lengthExtraBits, matchToken } from './bit-sink.ts'
import { FlateCode } from './code-lengths.ts'
import type { FlateStream } from './flate-stream.ts'
import { KlauspostBlocks } from './klauspost-blocks.ts'

const windowBytes = 32 * 1024
const windowMask = windowBytes - 1
const leastMatch = 4
const mostMatch = 258
const mostTokens = 1 << 15
const hashBits = 17
const mostHashOffset = 1 << 28

interface LazyLevel {
  readonly lazy: number
  readonly nice: number
  readonly chain: number
}
const levels = new Map<number, LazyLevel>([
  [7, { lazy: 12, nice: 16, chain: 24 }],
  [8, { lazy: 30, nice: 40, chain: 64 }],
  [9, { lazy: 258, nice: 258, chain: 1024 }],
])

export class KlauspostLazy implements FlateStream {
  readonly blocks: KlauspostBlocks
  readonly #level: LazyLevel
  readonly #revision: number
  readonly #window = new Uint8Array(2 * windowBytes + 8)
  readonly #view = new DataView(this.#window.buffer)
  readonly #heads = new Int32Array(1 << hashBits)
  readonly #previous = new Int32Array(windowBytes)
  readonly #tokens = new Int32Array(mostTokens + 1)
  /** What a literal takes, by the bytes to come: level 9 asks whether a match is worth its bits. */
  readonly #literals = new FlateCode(256)
  #tokenCount = 0
  #index = 0
  #windowEnd = 0
  #notedEnd = 0
  #blockStart: number | null = 0
  #hashOffset = 1
  #head = -1
  #length = leastMatch - 1
  #distance = 0
  #isLiteralDue = false
  /** Literals since the last match, of 16 bits: it overflows as upstream's does. */
  #unmatched = 0
  #isSync = false

  constructor(level: LazyLevel, revision: number) {
    this.#level = level
    this.#revision = revision
    this.blocks = new KlauspostBlocks(8, revision >= 4)
  }

  /** @param revision see klauspost.ts */
  static of(levelNumber: number, revision: number): KlauspostLazy | null {
    const level = levels.get(levelNumber)
    return level === undefined ? null : new KlauspostLazy(level, revision)
  }

  write(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      if (this.#windowEnd === 2 * windowBytes) {
        this.#deflate()
        this.#moveWindow()
      }
      const size = Math.min(bytes.length - at, 2 * windowBytes - this.#windowEnd)
      this.#window.set(bytes.subarray(at, at + size), this.#windowEnd)
      this.#windowEnd += size
      at += size
    }
  }

  sync(): void {
    this.#isSync = true
    this.#deflate()
    this.#isSync = false
  }

  restart(dictionary: Uint8Array): void {
    this.blocks.reset()
    this.#heads.fill(0)
    this.#previous.fill(0)
    this.#window.set(dictionary)
    this.#windowEnd = dictionary.length
    this.#index = dictionary.length
    // As upstream has it: a first block counts the dictionary among its bytes.
    this.#blockStart = 0
    this.#hashOffset = 1
    this.#head = -1
    this.#length = leastMatch - 1
    this.#distance = 0
    this.#isLiteralDue = false
    this.#unmatched = 0
    this.#tokenCount = 0
    for (let i = 0; i <= dictionary.length - leastMatch; i++) this.#note(i)
    this.#head = -1
  }

  #moveWindow(): void {
    this.#window.copyWithin(0, windowBytes, 2 * windowBytes)
    this.#index -= windowBytes
    this.#windowEnd -= windowBytes
    this.#blockStart = this.#blockStart !== null && this.#blockStart >= windowBytes ? this.#blockStart - windowBytes : null
    this.#hashOffset += windowBytes
    if (this.#hashOffset > mostHashOffset) {
      const less = this.#hashOffset - 1
      this.#hashOffset = 1
      this.#head -= less
      for (const places of [this.#previous, this.#heads])
        for (let i = 0; i < places.length; i++) places[i] = Math.max((places[i] ?? 0) - less, 0)
    }
  }

  #literal(at: number): void {
    this.#tokens[this.#tokenCount++] = this.#window[at] ?? 0
    if (this.#tokenCount === mostTokens) this.#block()
  }

  #block(): void {
    const end = this.#index
    // The first of all has nothing before it.
    if (end > 0) {
      const bytes = this.#blockStart === null || this.#blockStart > end ? null : this.#window.subarray(this.#blockStart, end)
      this.#blockStart = end
      this.blocks.tokens(this.#tokens, this.#tokenCount, bytes, this.#isSync)
    }
    this.#tokenCount = 0
  }

  #deflate(): void {
    this.#notedEnd = this.#windowEnd - (leastMatch - 1)
    const stop = this.#isSync ? this.#windowEnd : this.#windowEnd - (leastMatch + mostMatch) + 1
    if (this.#level.chain > 100 && this.#index < this.#windowEnd) this.#weighLiterals()
    while (this.#index < stop) this.#step()
    if (!this.#isSync) return
    if (this.#isLiteralDue) this.#tokens[this.#tokenCount++] = this.#window[this.#index - 1] ?? 0
    this.#isLiteralDue = false
    if (this.#tokenCount > 0) this.#block()
  }

  #weighLiterals(): void {
    const end = this.#revision >= 4 ? Math.min(this.#windowEnd, this.#index + mostTokens) : this.#windowEnd
    // 16 bits each, as upstream counts: 65,536 of one byte are none.
    const counts = new Uint16Array(256)
    for (let i = this.#index; i < end; i++) counts[this.#window[i] ?? 0]!++
    this.#literals.generate(Int32Array.from(counts), 15)
  }

  #step(): void {
    if (this.#index < this.#notedEnd) this.#head = this.#note(this.#index)
    const length = this.#length
    const distance = this.#distance
    this.#length = leastMatch - 1
    this.#distance = 0
    const lookahead = this.#windowEnd - this.#index
    const place = this.#head - this.#hashOffset
    const least = Math.max(this.#index - windowBytes, 0)
    if (place >= least && lookahead > length && length < this.#level.lazy) this.#match(place, lookahead)
    if (length >= leastMatch && this.#length <= length) this.#take(length, distance, lookahead, least)
    else this.#passLiteral()
  }

  /** The match of the step before is taken, or a longer one that ends further on. */
  #take(length: number, distance: number, lookahead: number, least: number): void {
    let taken = { length, distance }
    if (this.#revision === 1) taken = this.#byEndOld(length, distance, lookahead, least)
    else if (length < mostMatch - 2) taken = this.#byEnd(length, distance, lookahead, least)
    this.#tokens[this.#tokenCount++] = matchToken + ((taken.length - 3) << 22) + taken.distance - 1
    const end = this.#index + taken.length - 1
    const noted = Math.min(end, this.#notedEnd)
    for (let i = this.#index + 1; i < noted; i++) this.#note(i)
    this.#index = end
    this.#isLiteralDue = false
    this.#length = leastMatch - 1
    if (this.#tokenCount === mostTokens) this.#block()
    this.#unmatched = 0
  }

  /** Up to 1.15. */
  #byEndOld(length: number, distance: number, lookahead: number, least: number): { length: number; distance: number } {
    const start = this.#index - 1
    if (start + length + 2 >= this.#notedEnd) return { length, distance }
    const place = (this.#heads[this.#hash(start + length - 2)] ?? 0) - this.#hashOffset - length + 2
    if (place <= least) return { length, distance }
    const found = this.#same(start, place, Math.min(lookahead, mostMatch))
    return found > length ? { length: found, distance: start - place } : { length, distance }
  }

  /** From 1.16 on: the first two bytes may differ, and are literals then. */
  #byEnd(length: number, distance: number, lookahead: number, least: number): { length: number; distance: number } {
    const start = this.#index - 1
    if (start + length >= this.#notedEnd) return { length, distance }
    const place = (this.#heads[this.#hash(start + length)] ?? 0) - this.#hashOffset - length
    if (start - place === distance || place <= least + 2) return { length, distance }
    let found = this.#same(start + 2, place + 2, Math.min(lookahead, mostMatch + 2) - 2)
    if (found <= length) return { length, distance }
    for (let i = 1; i >= 0; i--) {
      if (found < mostMatch && this.#window[start + i] === this.#window[place + i]) {
        found++
        continue
      }
      for (let j = 0; j <= i; j++) {
        this.#literal(start + j)
        this.#index++
        if (this.#index < this.#notedEnd) this.#head = this.#note(this.#index)
      }
      break
    }
    return { length: found, distance: start - place }
  }

  #passLiteral(): void {
    if (this.#length >= leastMatch) this.#unmatched = 0
    if (!this.#isLiteralDue) {
      this.#index++
      this.#isLiteralDue = true
      return
    }
    this.#unmatched = (this.#unmatched + 1) & 0xffff
    this.#literal(this.#index - 1)
    this.#index++
    const excess = this.#unmatched - this.#level.chain
    if (excess <= 0) return
    for (let i = 1 + (excess >> 6); i > 0 && this.#index < this.#windowEnd - 1; i--) {
      this.#literal(this.#index - 1)
      if (this.#index < this.#notedEnd) this.#head = this.#note(this.#index)
      this.#index++
    }
    this.#literal(this.#index - 1)
    this.#isLiteralDue = false
  }

  #hash(at: number): number {
    return Math.imul(this.#view.getInt32(at, true), 0x9e3779b1) >>> (32 - hashBits)
  }

  #note(at: number): number {
    const hash = this.#hash(at)
    const head = this.#heads[hash] ?? 0
    this.#previous[at & windowMask] = head
    this.#heads[hash] = at + this.#hashOffset
    return head
  }

  #same(a: number, b: number, most: number): number {
    const window = this.#window
    const view = this.#view
    let n = 0
    while (n + 4 <= most && view.getInt32(a + n, true) === view.getInt32(b + n, true)) n += 4
    while (n < most && window[a + n] === window[b + n]) n++
    return n
  }

  /** The longest match along the chain, or the one that saves most bits. */
  #match(first: number, lookahead: number): void {
    const window = this.#window
    const index = this.#index
    const { chain } = this.#level
    const most = Math.min(mostMatch, lookahead)
    const nice = Math.min(this.#level.nice, most)
    const least = Math.max(index - windowBytes, 0)
    const isWeighed = chain > 100
    let gain = this.#revision === 1 ? 0 : 4
    let length = leastMatch - 1
    let last = window[index + length] ?? 0
    for (let place = first, tries = chain; tries > 0; tries--) {
      if (window[place + length] === last) {
        const n = this.#same(index, place, most)
        if (n > length) {
          const found = isWeighed ? this.#gain(index, n, index - place) : gain + 1
          if (found > gain) {
            length = n
            if (isWeighed) gain = found
            this.#length = n
            this.#distance = index - place
            if (n >= nice) return
            last = window[index + n] ?? 0
          }
        }
      }
      if (place <= least) return
      place = (this.#previous[place & windowMask] ?? 0) - this.#hashOffset
      if (place < least) return
    }
  }

  /** Bits of the literals less those that the match takes, about. */
  #gain(at: number, length: number, distance: number): number {
    const sizes = this.#literals.sizes
    const window = this.#window
    let bits = -(this.#revision === 1 ? 6 : 3)
    for (let i = at; i < at + length; i++) bits += sizes[window[i] ?? 0] ?? 0
    return bits - (distanceExtraBits[distanceCodeOf(distance)] ?? 0) - (lengthExtraBits[lengthCodeOf(length - 3)] ?? 0)
  }
}
