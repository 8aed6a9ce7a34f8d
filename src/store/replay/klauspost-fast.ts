// Levels 1 to 6 of klauspost's compress/flate (deflate.go, storeFast): blocks of 65,535 bytes, each matched by its level and written as it pays.
import { FastMatches } from './fast-matches.ts'
import { KlauspostBlocks, mostStoredBytes } from './klauspost-blocks.ts'
import type { FlateStream } from './flate-stream.ts'
import { level1, level2 } from './klauspost-level12.ts'
import { level3 } from './klauspost-level3.ts'
import { level4, level4Astray } from './klauspost-level4.ts'
import { level5 } from './klauspost-level5.ts'
import { level6 } from './klauspost-level6.ts'

/** Blocks with fewer bytes have no matches. */
const leastBlockBytes = 13

export interface FastLevel {
  readonly match: (state: FastMatches, start: number) => void
  readonly shortBits: number
  readonly longBits: number
  readonly keepsShort: boolean
  readonly keepsLong: boolean
}

/** @param keeps which table keeps two places for a hash */
const level = (match: FastLevel['match'], shortBits: number, longBits: number, keeps: 'short' | 'long' | 'none'): FastLevel => ({
  match,
  shortBits,
  longBits,
  keepsShort: keeps === 'short',
  keepsLong: keeps === 'long',
})
const levels = new Map<number, FastLevel>([
  [1, level(level1, 15, 0, 'none')],
  [2, level(level2, 17, 0, 'none')],
  [3, level(level3, 16, 0, 'short')],
  [4, level(level4, 15, 15, 'none')],
  [5, level(level5, 15, 15, 'long')],
  [6, level(level6, 15, 15, 'long')],
])
const astray = level(level4Astray, 15, 15, 'none')

export class KlauspostFast implements FlateStream {
  readonly blocks: KlauspostBlocks
  readonly #level: FastLevel
  readonly #matches: FastMatches
  readonly #block = new Uint8Array(mostStoredBytes)
  #size = 0

  constructor(level: FastLevel, isTrimmed: boolean) {
    this.#level = level
    this.blocks = new KlauspostBlocks(7, isTrimmed)
    this.#matches = new FastMatches(level.shortBits, level.longBits, level.keepsShort, level.keepsLong)
  }

  /** @param revision see klauspost.ts */
  static of(levelNumber: number, revision: number): KlauspostFast | null {
    const found = levelNumber === 4 && revision >= 3 ? astray : levels.get(levelNumber)
    return found === undefined ? null : new KlauspostFast(found, revision >= 4)
  }

  write(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      // A full block waits until more comes: it may be the last, and that is written otherwise.
      if (this.#size === mostStoredBytes) this.#put(false)
      const size = Math.min(bytes.length - at, mostStoredBytes - this.#size)
      this.#block.set(bytes.subarray(at, at + size), this.#size)
      this.#size += size
      at += size
    }
  }

  sync(): void {
    const bytes = this.#block.subarray(0, this.#size)
    if (this.#size >= 128) this.#put(true)
    else if (this.#size > 0) {
      if (this.#size <= 32) this.blocks.stored(bytes)
      else this.blocks.onlyLiterals(bytes, true)
      this.#size = 0
      this.#matches.reset()
    }
  }

  restart(dictionary: Uint8Array): void {
    this.blocks.reset()
    this.#matches.reset()
    this.#size = 0
    if (dictionary.length > 0) this.#match(dictionary)
  }

  #match(block: Uint8Array): void {
    const start = this.#matches.add(block)
    if (block.length >= leastBlockBytes) this.#level.match(this.#matches, start)
    this.#matches.emitRest()
  }

  #put(isSync: boolean): void {
    const bytes = this.#block.subarray(0, this.#size)
    this.#match(bytes)
    const { tokens, tokenCount } = this.#matches
    if (tokenCount === 0) this.blocks.stored(bytes)
    else if (tokenCount > this.#size - (this.#size >> 4)) this.blocks.onlyLiterals(bytes, isSync)
    else this.blocks.tokens(tokens, tokenCount, bytes, isSync)
    this.#size = 0
  }
}
