// The engines that there are, in the order in which they are tried.
import { difference } from './difference-engine.ts'
import type { DeflateEngine } from './engine.ts'
import { goFlate } from './go-flate.ts'
import { differenceGoldens, goFlateGoldens, klauspostGoldens, nodeZlibGoldens, pgzipGoldens, zlibGoldens } from './goldens.ts'
import { klauspost, pgzip } from './klauspost.ts'
import { MatchSpaces } from './match-space.ts'
import { nodeZlib } from './node-zlib.ts'
import { zlib } from './zlib.ts'

/** @param kernel of kernels/, for what searches as zlib does */
export function replayEngines(kernel: WebAssembly.Module): DeflateEngine[] {
  const spaces = new MatchSpaces(kernel)
  return [
    goFlate(goFlateGoldens),
    pgzip(pgzipGoldens),
    klauspost(klauspostGoldens),
    nodeZlib(nodeZlibGoldens),
    zlib(zlibGoldens, spaces),
    difference(differenceGoldens, spaces),
  ]
}
