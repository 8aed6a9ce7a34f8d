// Go's compress/flate at level 1 (deflatefast.go of Go 1.26, after Snappy): one place for each hash, blocks of 65,535 bytes, steps that grow where
// nothing matches. A match may begin in the block before.
import type { DeflateEncoder } from './engine.ts'
import { matchToken } from './bit-sink.ts'
import { GoBlocks, mostStoredBytes } from './go-blocks.ts'

const tableSize = 1 << 14
const mostDistance = 32 * 1024
const mostMatch = 258
/** No match begins in the last bytes of a block. */
const margin = 15
const resetAt = 0x7fffffff - mostStoredBytes * 2

export class GoFast implements DeflateEncoder {
  readonly #blocks = new GoBlocks()
  readonly #tokens = new Int32Array(mostStoredBytes + 1)
  #tokenCount = 0
  /** The last block, if it counts, stands right before this one: at `mostStoredBytes − #before`. */
  readonly #bytes = new Uint8Array(2 * mostStoredBytes + 8)
  #before = 0
  #size = 0
  readonly #places = new Int32Array(tableSize)
  readonly #fours = new Int32Array(tableSize)
  /** What the block's start has as a place. */
  #start = mostStoredBytes

  push(bytes: Uint8Array): Uint8Array[] {
    for (let at = 0; at < bytes.length; ) {
      const size = Math.min(bytes.length - at, mostStoredBytes - this.#size)
      this.#bytes.set(bytes.subarray(at, at + size), mostStoredBytes + this.#size)
      this.#size += size
      at += size
      if (this.#size === mostStoredBytes) this.#block()
    }
    return this.#blocks.sink.take()
  }

  end(): Uint8Array[] {
    const size = this.#size
    const bytes = this.#bytes.subarray(mostStoredBytes, mostStoredBytes + size)
    if (size > 0 && size <= 16) this.#blocks.stored(bytes)
    else if (size > 0 && size < 128) this.#blocks.literals(bytes)
    else if (size > 0) this.#block()
    this.#blocks.storedHeader(0, true)
    this.#blocks.sink.align()
    return this.#blocks.sink.take()
  }

  #block(): void {
    const size = this.#size
    if (this.#start >= resetAt) this.#rebase()
    this.#tokenCount = 0
    this.#encode(size)
    const bytes = this.#bytes.subarray(mostStoredBytes, mostStoredBytes + size)
    if (this.#tokenCount > size - (size >> 4)) this.#blocks.literals(bytes)
    else this.#blocks.dynamic(this.#tokens, this.#tokenCount, bytes)
    this.#start += size
    this.#before = size
    this.#bytes.copyWithin(mostStoredBytes - size, mostStoredBytes, mostStoredBytes + size)
    this.#size = 0
  }

  #rebase(): void {
    const places = this.#places
    for (let i = 0; i < tableSize; i++) places[i] = Math.max((places[i] ?? 0) - this.#start + mostDistance + 1, 0)
    this.#start = mostDistance + 1
  }

  #encode(size: number): void {
    const [places, fours, start] = [this.#places, this.#fours, this.#start]
    const limit = size - margin
    let emitted = 0
    let at = 0
    let four = this.#four(0)
    let hash = hashOf(four)
    search: for (;;) {
      let skip = 32
      let next = at
      let distance: number
      for (;;) {
        at = next
        const step = skip >> 5
        next = at + step
        skip += step
        if (next > limit) break search
        distance = at + start - (places[hash] ?? 0)
        const isMatch = distance <= mostDistance && fours[hash] === four
        places[hash] = at + start
        fours[hash] = four
        const ahead = this.#four(next)
        hash = hashOf(ahead)
        if (isMatch) break
        four = ahead
      }
      this.#literals(emitted, at)
      for (;;) {
        const length = this.#matchLength(at, distance)
        this.#tokens[this.#tokenCount++] = matchToken + ((length - 3) << 22) + distance - 1
        at += length
        emitted = at
        if (at >= limit) break search
        const behind = this.#four(at - 1)
        const behindHash = hashOf(behind)
        places[behindHash] = start + at - 1
        fours[behindHash] = behind
        four = this.#four(at)
        hash = hashOf(four)
        distance = at + start - (places[hash] ?? 0)
        const isMatch = distance <= mostDistance && fours[hash] === four
        places[hash] = start + at
        fours[hash] = four
        if (!isMatch) {
          at++
          four = this.#four(at)
          hash = hashOf(four)
          break
        }
      }
    }
    this.#literals(emitted, size)
  }

  #literals(from: number, to: number): void {
    for (let at = from; at < to; at++) this.#tokens[this.#tokenCount++] = this.#bytes[mostStoredBytes + at] ?? 0
  }

  /** The first four bytes are known to be equal, though they may no longer be there. */
  #matchLength(at: number, distance: number): number {
    const bytes = this.#bytes
    const end = mostStoredBytes + Math.min(at + mostMatch, this.#size)
    let a = mostStoredBytes + at + 4
    let b = a - distance
    if (b < mostStoredBytes - this.#before) return 4
    while (a < end && bytes[a] === bytes[b]) {
      a++
      b++
    }
    return a - mostStoredBytes - at
  }

  #four(at: number): number {
    const bytes = this.#bytes
    const i = mostStoredBytes + at
    return (bytes[i] ?? 0) | ((bytes[i + 1] ?? 0) << 8) | ((bytes[i + 2] ?? 0) << 16) | ((bytes[i + 3] ?? 0) << 24)
  }
}

function hashOf(four: number): number {
  return Math.imul(four, 0x1e35a7bd) >>> 18
}
