// How a deflate stream is made again: which engine made it, which version of that engine, and with what parameters. docs/design/replay.md, A recipe. Pure.
//   recipe := byte engine, byte version, the engine's own parameters (at most 16 bytes)
import { CorruptError } from '../../base/index.ts'

/** Numbers and versions are never used again for anything else: stored recipes name them for ever. */
export interface ReplayRecipe {
  readonly engine: number
  readonly version: number
  /** What they mean is the engine's affair. */
  readonly params: Uint8Array
}

const mostParamBytes = 16

export function encodeReplayRecipe(recipe: ReplayRecipe): Uint8Array {
  return Uint8Array.of(recipe.engine, recipe.version, ...recipe.params)
}

/** CorruptError 'replay-recipe' for bytes that `encodeReplayRecipe` can't have made. */
export function decodeReplayRecipe(bytes: Uint8Array): ReplayRecipe {
  const [engine, version] = bytes
  if (engine === undefined || version === undefined || bytes.length > 2 + mostParamBytes)
    throw new CorruptError('replay-recipe', `a recipe of a deflate stream has 2 to ${2 + mostParamBytes} bytes, not ${bytes.length}`)
  return { engine, version, params: bytes.slice(2) }
}
