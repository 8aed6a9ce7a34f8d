// Engine 6: the original zlib, as it is in Node before version 12, in Python, PHP, Ruby, Java, git and many others; gzip's own code is older and differs. zlib's matcher stands in
// zlib-predictor.ts, its blocks in zlib-blocks.ts; here is when a block ends (deflate.c). Its streams don't depend on the pieces in which bytes come.
import { matchToken } from './bit-sink.ts'
import type { DeflateEncoder, DeflateEngine, Golden } from './engine.ts'
import { goldenBytes } from './golden.ts'
import type { MatchSpaces } from './match-space.ts'
import { ZlibBlocks } from './zlib-blocks.ts'
import { hashKinds, PREDICT_BYTES, ZlibPredictor } from './zlib-predictor.ts'

/** What is longer zlib may have let go of, when its window moved. */
const mostStoredBytes = 32 * 1024 - 262
/** Tokens of a block: of memLevel 8, which everybody leaves it at. With 9, whether a block can be stored hangs on where the window stands. */
const mostTokens = 16_383

class ZlibEncoder implements DeflateEncoder {
  readonly #predictor: ZlibPredictor
  readonly #blocks = new ZlibBlocks()
  readonly #tokens: Int32Array
  /** Levels 1 to 3 end a block with any token, the others not with a last literal: they find out too late. */
  readonly #isGreedy: boolean
  #count = 0
  #blockBytes = 0

  constructor(spaces: MatchSpaces, level: number) {
    this.#predictor = new ZlibPredictor(spaces, level, hashKinds.three15, true)
    this.#tokens = new Int32Array(mostTokens)
    this.#isGreedy = level < 4
  }

  push(bytes: Uint8Array): Uint8Array[] {
    const predictor = this.#predictor
    for (let at = 0; at < bytes.length; ) {
      const piece = bytes.subarray(at, at + 32 * 1024)
      predictor.reserve(piece.length)
      predictor.bytes.set(piece, predictor.end)
      predictor.end += piece.length
      at += piece.length
      while (predictor.end - predictor.at >= PREDICT_BYTES) this.#step()
    }
    return this.#blocks.sink.take()
  }

  end(): Uint8Array[] {
    while (this.#predictor.end > this.#predictor.at) this.#step()
    this.#block(true)
    this.#predictor.close()
    return this.#blocks.sink.take()
  }

  close(): void {
    this.#predictor.close()
  }

  #step(): void {
    const predictor = this.#predictor
    const token = predictor.predict()
    predictor.take(token)
    this.#tokens[this.#count++] = token
    this.#blockBytes += token < matchToken ? 1 : 3 + ((token >>> 22) & 255)
    if (this.#count < this.#tokens.length) return
    if (this.#isGreedy || token >= matchToken || predictor.at < predictor.end) this.#block(false)
  }

  #block(isLast: boolean): void {
    const { bytes, at } = this.#predictor
    const stored = this.#blockBytes <= mostStoredBytes ? bytes.subarray(at - this.#blockBytes, at) : null
    this.#blocks.put(this.#tokens, this.#count, stored, isLast)
    this.#count = 0
    this.#blockBytes = 0
  }
}

const levels = [6, 9, 5, 1, 8, 7, 4, 3, 2]
const memLevel = 8

export function zlib(golden: readonly Golden[], spaces: MatchSpaces): DeflateEngine {
  return {
    id: 6,
    version: 1,
    name: 'zlib',
    golden,
    goldenBytes,
    candidates(clue) {
      const first = clue?.xfl === 2 ? [9] : clue?.xfl === 4 ? [1] : []
      const order = [...first, ...levels.filter((level) => !first.includes(level))]
      return order.map((level) => [level, memLevel])
    },
    encoder: (params) => new ZlibEncoder(spaces, params[0] ?? 0),
    describe: ([level = 0]) => `level ${level}`,
  }
}
