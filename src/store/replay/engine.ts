// What an engine is: an encoder of deflate streams that gives, for the same parameters and bytes, the same stream for ever.
import type { ReplayRecipe } from './recipe.ts'

/** What the header of a gzip member tells about who made it (RFC 1952, 2.3.1). */
export interface GzipClue {
  readonly xfl: number
  readonly os: number
}

/** Makes one raw deflate stream. Synchronous, for worker threads; holds a window and a block, never the whole. */
export interface DeflateEncoder {
  /** Takes the next uncompressed bytes, in pieces of any size; returns what of the stream is done. The pieces are the caller's. */
  push(bytes: Uint8Array): Uint8Array[]
  /** The rest of the stream. The encoder is used up. */
  end(): Uint8Array[]
  /** Instead of `end`, where nobody wants the rest: its memory may be another's. */
  close?(): void
}

/** An engine's parameters and what it makes of the golden bytes with them: the first 16 hex digits of the stream's SHA-256. */
export interface Golden {
  readonly params: readonly number[]
  readonly digest: string
}

export interface DeflateEngine {
  readonly id: number
  /** Raised when the same parameters no longer mean the same stream; the old version is then an engine of its own. */
  readonly version: number
  readonly name: string
  /** Every set of parameters that this engine makes recipes with: one not listed here is refused, too, when it is read. */
  readonly golden: readonly Golden[]
  /** Go's, which writes no operating system into gzip's headers. */
  readonly isGo?: boolean
  /** How many of the golden bytes it takes until all that this engine does has happened. */
  readonly goldenBytes: number
  /** The likeliest parameters first. The clue is a hint only: headers lie. */
  candidates(clue: GzipClue | null): readonly (readonly number[])[]
  /** @param corrections for the difference only */
  encoder(params: Uint8Array, corrections?: Uint8Array): DeflateEncoder
  /** What the golden vector holds, where it isn't the stream of the golden bytes: an engine that needs more than bytes. */
  digest?(params: Uint8Array, bytes: Uint8Array): string
  /** For people: `level 6`. */
  describe(params: Uint8Array): string
}

/** The one whose streams are told by corrections. */
export interface DifferenceEngine extends DeflateEngine {
  /** The parameters with which the beginning of a stream needs fewest. InputError 'deflate'. */
  nearest(deflated: Uint8Array): readonly number[]
  /** @param mostBytes of corrections, before they are compressed */
  maker(params: Uint8Array, mostBytes: number): CorrectionMaker
}

/** Makes the corrections of one stream. InputError 'deflate' where it is none; 'difference-size' where there come to be more of them than allowed. */
export interface CorrectionMaker {
  /** What comes next of the stream. */
  push(deflated: Uint8Array): void
  /** All of them. The maker is used up. */
  end(): Uint8Array
}

export function isDifference(engine: DeflateEngine): engine is DifferenceEngine {
  return 'maker' in engine
}

export function recipeOf(engine: DeflateEngine, params: readonly number[]): ReplayRecipe {
  return { engine: engine.id, version: engine.version, params: Uint8Array.from(params) }
}
