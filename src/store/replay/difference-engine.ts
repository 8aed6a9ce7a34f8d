// The difference as an engine: parameters (a level of zlib's and the kind of its hash), which of them are nearest, and what holds them.
import { createHash } from 'node:crypto'
import { inflateRawSync } from 'node:zlib'
import { DifferenceEncoder } from './difference-encoder.ts'
import { DifferenceMaker, MOST_CORRECTION_BYTES } from './difference.ts'
import type { DifferenceEngine, Golden } from './engine.ts'
import { GoDeflate } from './go-deflate.ts'
import { goldenBytes } from './golden.ts'
import type { MatchSpaces } from './match-space.ts'
import { hashKinds } from './zlib-predictor.ts'

const levels = [6, 9, 1, 5, 4, 8, 7, 3, 2]
export const differenceParams: readonly (readonly number[])[] = Object.values(hashKinds).flatMap((kind) =>
  levels.map((level) => [level, kind]),
)

export function difference(golden: readonly Golden[], spaces: MatchSpaces): DifferenceEngine {
  return {
    id: 5,
    version: 1,
    name: 'difference',
    golden,
    goldenBytes,
    // It is asked only where no other engine agrees: Replay.difference.
    candidates: () => [],
    encoder: (params, corrections) => new DifferenceEncoder(spaces, params, corrections ?? new Uint8Array(0)),
    nearest: (deflated) => nearestParams(spaces, deflated),
    maker: (params, mostBytes) => new DifferenceMaker(spaces, [...params], mostBytes),
    digest: (params, bytes) => digest(spaces, params, bytes),
    describe: ([level = 0, hashKind = 0]) => `to level ${level}, hash ${hashKind}`,
  }
}

/** Of the corrections of a stream that Go's encoder makes, and of that stream made again. */
function digest(spaces: MatchSpaces, params: Uint8Array, bytes: Uint8Array): string {
  const go = new GoDeflate(6)
  const maker = new DifferenceMaker(spaces, [...params], MOST_CORRECTION_BYTES)
  for (const piece of [...go.push(bytes), ...go.end()]) maker.push(piece)
  const corrections = maker.end()
  const hash = createHash('sha256').update(inflateRawSync(corrections))
  const encoder = new DifferenceEncoder(spaces, params, corrections)
  for (const piece of [...encoder.push(bytes), ...encoder.end()]) hash.update(piece)
  return hash.digest('hex').slice(0, 16)
}

/**
 * The parameters with which the beginning of a stream (100 KiB will do) needs fewest corrections.
 * InputError 'deflate' where it is no deflate stream.
 */
export function nearestParams(spaces: MatchSpaces, deflated: Uint8Array): readonly number[] {
  let nearest = differenceParams[0] ?? []
  let fewest = Infinity
  for (const params of differenceParams) {
    const maker = new DifferenceMaker(spaces, params, MOST_CORRECTION_BYTES)
    maker.push(deflated)
    if (maker.isRight) return params
    if (maker.sizeSoFar() < fewest) {
      fewest = maker.sizeSoFar()
      nearest = params
    }
    maker.close()
  }
  return nearest
}
