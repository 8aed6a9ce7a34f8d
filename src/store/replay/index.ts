// store/replay: deflate streams made again, byte for byte, from what they hold. docs/design/replay.md.
export { MOST_CORRECTION_BYTES } from './difference.ts'
export type { CorrectionMaker, DeflateEncoder, GzipClue } from './engine.ts'
export { decodeReplayRecipe, encodeReplayRecipe, type ReplayRecipe } from './recipe.ts'
export { IDENTIFY_BYTES, type IdentifyInput, Replay } from './replay.ts'
export { replayEngines } from './engines.ts'
export { mostUsed } from './most-used.ts'
export { sharedVectors } from './vectors.ts'
