// What zlib would do next: the token that its matcher would choose, given what the stream really chose so far (after preflate's idea). The original
// zlib's rules (deflate.c: deflate_fast, deflate_slow, longest_match); where it errs, a correction stands in the difference (difference.ts).
// A prediction rests on the bytes, the tokens so far and at least 300 bytes ahead (fewer only at the end): the same when it is made again.
import { matchToken } from './bit-sink.ts'
import { type MatchSpace, type MatchSpaces, spaceBytes } from './match-space.ts'

const historyBytes = 32 * 1024
/** A match of three that is farther away costs more than it saves. */
const tooFar = 4096
/** So many bytes must be ahead. */
export const PREDICT_BYTES = 600
const rebaseAt = 2 ** 30

interface Config {
  readonly good: number
  /** Greedy levels note no place within longer matches. */
  readonly lazy: number
  readonly nice: number
  readonly chain: number
  readonly isGreedy: boolean
}
const config = (good: number, lazy: number, nice: number, chain: number, isGreedy = false): Config => ({
  good,
  lazy,
  nice,
  chain,
  isGreedy,
})
const configs = new Map([
  [1, config(4, 4, 8, 4, true)],
  [2, config(4, 5, 16, 8, true)],
  [3, config(4, 6, 32, 32, true)],
  [4, config(4, 4, 16, 16)],
  [5, config(8, 16, 32, 32)],
  [6, config(8, 16, 128, 128)],
  [7, config(8, 32, 128, 256)],
  [8, config(32, 128, 258, 1024)],
  [9, config(32, 258, 258, 4096)],
])

/** How zlib was built: the hash decides which places a limited search meets. */
export const hashKinds = { three15: 0, three16: 1, four15: 2 } as const

export class ZlibPredictor {
  readonly bytes: Uint8Array
  readonly #config: Config
  readonly #hashKind: number
  readonly #isExact: boolean
  readonly #spaces: MatchSpaces
  readonly #space: MatchSpace
  /** A place is its index + this; 0 is none, so that the first byte of all is never met, as with zlib. */
  #offset = 0
  /** Where the next token begins, and where the bytes end. */
  at = 0
  end = 0
  /** Places before this index have been noted. */
  #noted = 0
  // The match at `at`, where the step before has found it.
  #isKnown = false
  #length = 0
  #distance = 0
  // The match at `at + 1`, if the last prediction looked for it.
  #nextLength = 0
  #nextDistance = 0

  /** @param isExact as zlib is: of a hash's places it takes the farthest only where that is the first. Differences were made without that, and are made again so. */
  constructor(spaces: MatchSpaces, level: number, hashKind: number, isExact = false) {
    const found = configs.get(level)
    if (found === undefined) throw new RangeError(`level ${level}`)
    this.#config = found
    this.#hashKind = hashKind
    this.#isExact = isExact
    this.#spaces = spaces
    this.#space = spaces.take()
    this.bytes = this.#space.bytes
  }

  /** Makes room for `size` bytes at `end`, at most 64 KiB. */
  reserve(size: number): void {
    if (this.end + size <= spaceBytes) return
    const less = this.at - historyBytes
    this.bytes.copyWithin(0, less, this.end)
    this.at -= less
    this.end -= less
    this.#noted -= less
    this.#offset += less
    if (this.#offset > rebaseAt) {
      const { heads } = this.#space
      for (let i = 0; i < heads.length; i++) heads[i] = Math.max((heads[i] ?? 0) - this.#offset, 0)
      this.#offset = 0
    }
  }

  /** The token at `at`. Asked once before each `take`. */
  predict(): number {
    const literal = this.bytes[this.at] ?? 0
    this.#nextLength = 0
    if (!this.#isKnown) this.#search(this.at, 2)
    const length = this.#length
    const distance = this.#distance
    if (length < 3) return literal
    if (!this.#config.isGreedy && length < this.#config.lazy && this.at + 1 < this.end) {
      this.#search(this.at + 1, length)
      this.#nextLength = this.#length > length ? this.#length : 0
      this.#nextDistance = this.#distance
      if (this.#nextLength > 0) return literal
    }
    return matchToken + ((length - 3) << 22) + distance - 1
  }

  /** What the stream chose at `at`. */
  take(token: number): void {
    if (token < matchToken) {
      this.#isKnown = this.#nextLength > 0
      this.#length = this.#nextLength
      this.#distance = this.#nextDistance
      this.skip(1)
      return
    }
    const length = 3 + ((token >>> 22) & 255)
    this.#isKnown = false
    if (this.#config.isGreedy && length > this.#config.lazy) {
      this.at += length
      this.#noted = Math.max(this.#noted, this.at)
    } else this.skip(length)
  }

  /** Over bytes that no token stands for, noting them. */
  skip(size: number): void {
    this.at += size
    // the last places when the bytes behind them are there, or the next token is searched for
    const until = Math.min(this.at, this.end - 3)
    if (this.#noted >= until) return
    const { kernel, bytesAt, tablesAt } = this.#space
    kernel.zlibNote(bytesAt, tablesAt, this.#offset, this.#noted, until, this.end, this.#hashKind)
    this.#noted = until
  }

  /** What was found for the next byte doesn't hold. */
  forget(): void {
    this.#isKnown = false
  }

  /** It is used up: the next one may have its memory. */
  close(): void {
    this.#spaces.give(this.#space)
  }

  /** The longest match at `index` that is longer than `least`, into #length and #distance; else #length is `least`, or 0 for none at all. */
  #search(index: number, least: number): void {
    const { good, nice, chain, isGreedy } = this.#config
    this.#length = least > 2 ? least : 0
    this.#distance = 0
    if (this.end - index < 3) return
    const { kernel, bytesAt, tablesAt } = this.#space
    const kind = this.#hashKind
    const tries = least >= good ? chain >> 2 : chain
    const far = isGreedy ? historyBytes : tooFar
    const length = kernel.zlibMatch(
      bytesAt,
      tablesAt,
      this.#offset,
      index,
      this.end,
      this.#noted,
      kind,
      least,
      tries,
      nice,
      far,
      !isGreedy && kind !== hashKinds.four15,
      this.#isExact,
    )
    this.#noted = Math.max(this.#noted, index + 1)
    if (length === least) return
    this.#length = length
    this.#distance = kernel.zlibDistance.value
  }
}
