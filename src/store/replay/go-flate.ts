// Engine 2: Go's compress/flate as it was up to Go 1.26, all levels. Docker, buildkit's default and most programs written in Go made streams with it.
import { goldenBytes } from './golden.ts'
import type { DeflateEncoder, DeflateEngine, Golden } from './engine.ts'
import { GoDeflate } from './go-deflate.ts'
import { GoFast } from './go-fast.ts'
import { GoPlain } from './go-plain.ts'

const levels = [6, 1, 9, 5, 4, 3, 2, 7, 8, 0, -2]
/** Parameters are bytes: a level is kept as level + 2. */
const shift = 2

export function goFlate(golden: readonly Golden[]): DeflateEngine {
  return {
    id: 2,
    version: 1,
    name: 'go-flate',
    isGo: true,
    golden,
    goldenBytes,
    candidates(clue) {
      const first = clue?.xfl === 2 ? [9] : clue?.xfl === 4 ? [1] : []
      return [...first, ...levels.filter((level) => !first.includes(level))].map((level) => [level + shift])
    },
    encoder: (params) => encoderOf((params[0] ?? 0) - shift),
    describe: ([level = 0]) => `level ${level - shift}`,
  }
}

function encoderOf(level: number): DeflateEncoder {
  if (level === 1) return new GoFast()
  return level < 1 ? new GoPlain(level === 0) : new GoDeflate(level)
}
