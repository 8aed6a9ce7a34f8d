// The engines that there are, in the order in which they are tried.
import { difference } from './difference-engine.ts'
import type { DeflateEngine } from './engine.ts'
import { goFlate } from './go-flate.ts'
import { differenceGoldens, goFlateGoldens, klauspostGoldens, nodeZlibGoldens, pgzipGoldens } from './goldens.ts'
import { klauspost, pgzip } from './klauspost.ts'
import { nodeZlib } from './node-zlib.ts'

export function replayEngines(): DeflateEngine[] {
  return [
    goFlate(goFlateGoldens),
    pgzip(pgzipGoldens),
    klauspost(klauspostGoldens),
    nodeZlib(nodeZlibGoldens),
    difference(differenceGoldens),
  ]
}
