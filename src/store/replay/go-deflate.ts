// Matching as Go's compress/flate does it at levels 2 to 9 (deflate.go of Go 1.26): chains of places by the hash of four bytes, in a window of twice
// 32 KiB that moves when it is full. What its output rests on, beside the bytes: the window's moves, since no match reaches behind the window's start.
// Here the window is always full before it moves, as it is when a program hands over large or aligned pieces.
import type { DeflateEncoder } from './engine.ts'
import { matchToken } from './bit-sink.ts'
import { GoBlocks } from './go-blocks.ts'

const windowBytes = 32 * 1024
const windowMask = windowBytes - 1
const leastMatch = 4
const mostMatch = 258
const mostTokens = 1 << 14
const hashBits = 17
const hashFactor = 0x1e35a7bd
const mostHashOffset = 1 << 24

/** `good`: from this length on a quarter of the chain is searched; `lazy`: from this on no better match is looked for; `skip`: greedy, and longer matches aren't noted. */
interface Level {
  readonly good: number
  readonly lazy: number
  readonly nice: number
  readonly chain: number
  readonly skip: number
}
const level = (good: number, lazy: number, nice: number, chain: number, skip = 0): Level => ({ good, lazy, nice, chain, skip })
const levels = new Map([
  [2, level(4, 0, 16, 8, 5)],
  [3, level(4, 0, 32, 32, 6)],
  [4, level(4, 4, 16, 16)],
  [5, level(8, 16, 32, 32)],
  [6, level(8, 16, 128, 128)],
  [7, level(8, 32, 128, 256)],
  [8, level(32, 128, 258, 1024)],
  [9, level(32, 258, 258, 4096)],
])

export class GoDeflate implements DeflateEncoder {
  readonly #level: Level
  readonly #blocks = new GoBlocks()
  /** Four bytes more than the window: a hash is read there that is not used. */
  readonly #window = new Uint8Array(2 * windowBytes + 4)
  readonly #heads = new Int32Array(1 << hashBits)
  readonly #previous = new Int32Array(windowBytes)
  readonly #tokens = new Int32Array(mostTokens + 1)
  #tokenCount = 0
  #index = 0
  #windowEnd = 0
  /** Where the block's bytes begin; null when they have left the window. */
  #blockStart: number | null = 0
  /** A place is noted as its index + this, so that 0 is none. */
  #hashOffset = 1
  #head = -1
  #length = leastMatch - 1
  #distance = 0
  #isLiteralDue = false

  constructor(levelNumber: number) {
    const found = levels.get(levelNumber)
    if (found === undefined) throw new RangeError(`level ${levelNumber}`)
    this.#level = found
  }

  push(bytes: Uint8Array): Uint8Array[] {
    for (let at = 0; at < bytes.length; ) {
      if (this.#windowEnd === 2 * windowBytes) {
        this.#deflate(false)
        this.#moveWindow()
      }
      const size = Math.min(bytes.length - at, 2 * windowBytes - this.#windowEnd)
      this.#window.set(bytes.subarray(at, at + size), this.#windowEnd)
      this.#windowEnd += size
      at += size
    }
    return this.#blocks.sink.take()
  }

  end(): Uint8Array[] {
    this.#deflate(true)
    this.#blocks.storedHeader(0, true)
    this.#blocks.sink.align()
    return this.#blocks.sink.take()
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

  #block(end: number): void {
    const bytes = this.#blockStart === null ? null : this.#window.subarray(this.#blockStart, end)
    this.#blockStart = end
    this.#blocks.smallest(this.#tokens, this.#tokenCount, bytes)
    this.#tokenCount = 0
  }

  /** @param isEnd nothing follows: the last bytes, too, become tokens */
  #deflate(isEnd: boolean): void {
    const notedEnd = this.#windowEnd - (leastMatch - 1)
    const stop = isEnd ? this.#windowEnd : this.#windowEnd - (leastMatch + mostMatch) + 1
    if (this.#level.skip > 0) this.#greedy(stop, notedEnd)
    else this.#lazy(stop, notedEnd)
    if (!isEnd) return
    if (this.#isLiteralDue) this.#tokens[this.#tokenCount++] = this.#window[this.#index - 1] ?? 0
    this.#isLiteralDue = false
    if (this.#tokenCount > 0) this.#block(this.#index)
  }

  #lazy(stop: number, notedEnd: number): void {
    const { lazy } = this.#level
    const window = this.#window
    const tokens = this.#tokens
    let [index, length, distance, isLiteralDue] = [this.#index, this.#length, this.#distance, this.#isLiteralDue]
    while (index < stop) {
      if (index < notedEnd) this.#head = this.#note(index)
      const longest = length
      const longestDistance = distance
      length = leastMatch - 1
      distance = 0
      if (longest < lazy && this.#windowEnd - index > longest) {
        const place = this.#head - this.#hashOffset
        if (place >= 0 && place >= index - windowBytes) {
          const found = this.#match(index, place)
          if (found !== 0) {
            length = found & 511
            distance = found >>> 9
          }
        }
      }
      if (longest >= leastMatch && length <= longest) {
        tokens[this.#tokenCount++] = matchToken + ((longest - 3) << 22) + longestDistance - 1
        const end = index + longest - 1
        const noted = Math.min(end, notedEnd)
        for (index++; index < noted; index++) this.#note(index)
        index = end
        isLiteralDue = false
        length = leastMatch - 1
        if (this.#tokenCount === mostTokens) this.#block(index)
      } else {
        if (isLiteralDue) {
          tokens[this.#tokenCount++] = window[index - 1] ?? 0
          if (this.#tokenCount === mostTokens) this.#block(index)
        }
        index++
        isLiteralDue = true
      }
    }
    this.#index = index
    this.#length = length
    this.#distance = distance
    this.#isLiteralDue = isLiteralDue
  }

  #greedy(stop: number, notedEnd: number): void {
    const { skip } = this.#level
    let index = this.#index
    while (index < stop) {
      if (index < notedEnd) this.#head = this.#note(index)
      const place = this.#head - this.#hashOffset
      const found = place >= 0 && place >= index - windowBytes && this.#windowEnd - index > leastMatch - 1 ? this.#match(index, place) : 0
      if (found === 0) {
        this.#tokens[this.#tokenCount++] = this.#window[index++] ?? 0
      } else {
        const length = found & 511
        this.#tokens[this.#tokenCount++] = matchToken + ((length - 3) << 22) + (found >>> 9) - 1
        if (length <= skip) {
          const noted = Math.min(index + length, notedEnd)
          for (let at = index + 1; at < noted; at++) this.#note(at)
        }
        index += length
      }
      if (this.#tokenCount === mostTokens) this.#block(index)
    }
    this.#index = index
  }

  /** Notes that the four bytes at `index` stand there. @returns the last place of their hash */
  #note(index: number): number {
    const window = this.#window
    const four =
      ((window[index] ?? 0) << 24) | ((window[index + 1] ?? 0) << 16) | ((window[index + 2] ?? 0) << 8) | (window[index + 3] ?? 0)
    const hash = Math.imul(four, hashFactor) >>> (32 - hashBits)
    const head = this.#heads[hash] ?? 0
    this.#previous[index & windowMask] = head
    this.#heads[hash] = index + this.#hashOffset
    return head
  }

  /** @returns distance << 9 | length of the first of the longest matches along the chain, or 0 */
  #match(index: number, first: number): number {
    const window = this.#window
    const previous = this.#previous
    const hashOffset = this.#hashOffset
    const most = Math.min(mostMatch, this.#windowEnd - index)
    const nice = Math.min(this.#level.nice, most)
    const least = Math.max(index - windowBytes, 0)
    let length = leastMatch - 1
    let distance = 0
    let last = window[index + length] ?? 0
    const start = window[index] ?? 0
    for (let place = first, tries = this.#level.chain; tries > 0; tries--) {
      if (window[place + length] === last && window[place] === start) {
        let n = 1
        while (n < most && window[place + n] === window[index + n]) n++
        if (n > length && (n > leastMatch || index - place <= 4096)) {
          length = n
          distance = index - place
          if (n >= nice) break
          last = window[index + n] ?? 0
        }
      }
      if (place === index - windowBytes) break
      place = (previous[place & windowMask] ?? 0) - hashOffset
      if (place < least) break
    }
    return distance === 0 ? 0 : (distance << 9) | length
  }
}
