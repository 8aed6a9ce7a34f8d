// The engines as one: which of them made a stream, and a stream made again. An engine is used with parameters only after it has made the golden
// stream with them in this process, in whichever thread.
import { CorruptError } from '../../base/index.ts'
import { type CorrectionMaker, type DeflateEncoder, type DeflateEngine, type GzipClue, isDifference, recipeOf } from './engine.ts'
import { goldenSeed, mixedBytes, streamDigest } from './golden.ts'
import type { ReplayRecipe } from './recipe.ts'
import { Vectors } from './vectors.ts'

export interface IdentifyInput {
  /** Uncompressed bytes from the start: all, or a prefix (at best `IDENTIFY_BYTES`). */
  readonly plain: Uint8Array
  /** Whether `plain` is all there is. */
  readonly isWhole: boolean
  /**
   * The raw deflate stream from its start (behind the gzip header), at least as far as `plain` reaches; more does no harm.
   * Where `plain` is whole, exactly the stream.
   */
  readonly deflated: Uint8Array
  readonly clue: GzipClue | null
}

/** Uncompressed bytes with which `identify` tells apart nearly all that it knows: pgzip's second block begins after 1 MiB. */
export const IDENTIFY_BYTES = 1_500_000
/** An encoder has said something after so many bytes, and most are wrong by then. */
const stepBytes = 72 * 1024

/** In gzip's header: what Go's writers say of the system; and npm, at its level, which says so. */
const unknownOs = 255
const bestXfl = 2

/** So many that the whole decides between: neighbouring levels differ late. */
const mostFound = 4

/** One for each thread: threads share what has held, and each remembers for itself what has not. */
export class Replay {
  readonly #engines: readonly DeflateEngine[]
  readonly #vectors: Vectors
  readonly #failed = new Set<string>()
  #golden: Uint8Array = new Uint8Array(0)

  /** @param shared of this process (`sharedVectors`) */
  constructor(engines: readonly DeflateEngine[], shared: SharedArrayBuffer) {
    this.#engines = engines
    this.#vectors = new Vectors(engines, shared)
  }

  /**
   * The recipes that agree with the stream as far as it is given, the likeliest first; none where no engine made it. A recipe counts only when
   * the whole stream has been made with it and compared. Takes a few milliseconds for a candidate that differs at once.
   */
  identify(input: IdentifyInput): ReplayRecipe[] {
    const found: ReplayRecipe[] = []
    for (const { engine, params } of this.#candidates(input.clue)) {
      const recipe = recipeOf(engine, params)
      if (agrees(engine.encoder(recipe.params), input) && this.#holds(engine, recipe)) found.push(recipe)
      if (found.length === (input.isWhole ? 1 : mostFound)) break
    }
    return found
  }

  /** The likeliest parameters of each engine first, then the next ones of each: a stream that was made by the last engine must not wait for all that others never use. */
  #candidates(clue: GzipClue | null): { readonly engine: DeflateEngine; readonly params: readonly number[] }[] {
    const isGo = clue === null || (clue.os === unknownOs && clue.xfl !== bestXfl)
    const ofEngine = (engine: DeflateEngine) => engine.candidates(clue).map((params, rank) => ({ engine, params, rank }))
    const all = [true, false].flatMap((isFitting) =>
      this.#engines.filter((engine) => ((engine.isGo ?? false) === isGo) === isFitting).flatMap(ofEngine),
    )
    return all.toSorted((a, b) => a.rank - b.rank)
  }

  /**
   * The recipe of the difference for a stream that `identify` finds no recipe for: with the parameters that need fewest corrections at its beginning. Null where no
   * difference is made here (its golden vector fails). InputError 'deflate' where it is no deflate stream.
   * @param beginning of the raw deflate stream, 100 KiB at best
   */
  nearest(beginning: Uint8Array): ReplayRecipe | null {
    const engine = this.#engines.find(isDifference)
    if (engine === undefined) return null
    const recipe = recipeOf(engine, engine.nearest(beginning))
    return this.#holds(engine, recipe) ? recipe : null
  }

  /**
   * Makes the stream of a recipe again. `corrections` are those that a difference's maker gave, whole.
   * CorruptError 'replay-engine' where no engine here makes what the recipe means: never a stream that differs in silence;
   * 'replay-corrections', while it runs, where corrections don't fit the bytes.
   */
  encoder(recipe: ReplayRecipe, corrections?: Uint8Array): DeflateEncoder {
    const engine = this.#engine(recipe)
    if (engine === undefined)
      throw new CorruptError('replay-engine', `no engine ${recipe.engine} of version ${recipe.version} makes deflate streams here`)
    if (!this.#holds(engine, recipe))
      throw new CorruptError(
        'replay-engine',
        `${this.describe(recipe)} does not make the stream here that it is known to make (golden vector)`,
      )
    return engine.encoder(recipe.params, corrections)
  }

  /**
   * Makes the corrections of a stream, for a recipe that `nearest` gave. InputError as it says.
   * @param mostBytes of corrections, before they are compressed
   */
  corrections(recipe: ReplayRecipe, mostBytes: number): CorrectionMaker {
    const engine = this.#engine(recipe)
    if (engine === undefined || !isDifference(engine)) throw new RangeError(`${this.describe(recipe)} has no corrections`)
    return engine.maker(recipe.params, mostBytes)
  }

  /** Checks the recipe's golden vector, if that wasn't done in this process yet: up to 0.3 s of CPU. False: there was nothing to do, or it fails. */
  check(recipe: ReplayRecipe): boolean {
    const engine = this.#engine(recipe)
    return engine !== undefined && !this.#vectors.hasHeld(engine, recipe.params) && this.#holds(engine, recipe)
  }

  /** For people: `go-flate level 6`. */
  describe(recipe: ReplayRecipe): string {
    const engine = this.#engine(recipe)
    return engine === undefined ? `engine ${recipe.engine}` : `${engine.name} ${engine.describe(recipe.params)}`
  }

  #engine(recipe: ReplayRecipe): DeflateEngine | undefined {
    return this.#engines.find(({ id, version }) => id === recipe.engine && version === recipe.version)
  }

  #holds(engine: DeflateEngine, { params }: ReplayRecipe): boolean {
    if (this.#vectors.hasHeld(engine, params)) return true
    const golden = engine.golden.find((one) => one.params.join('.') === params.join('.'))
    const key = `${engine.id}.${engine.version}.${params.join('.')}`
    if (golden === undefined || this.#failed.has(key)) return false
    if (this.#golden.length < engine.goldenBytes) this.#golden = mixedBytes(goldenSeed, engine.goldenBytes)
    const isHeld = goldenDigest(engine, params, this.#golden.subarray(0, engine.goldenBytes)) === golden.digest
    if (isHeld) this.#vectors.noteHeld(engine, params)
    else this.#failed.add(key)
    return isHeld
  }
}

/** What a golden vector is compared to. */
export function goldenDigest(engine: DeflateEngine, params: Uint8Array, bytes: Uint8Array): string {
  return engine.digest?.(params, bytes) ?? streamDigest(engine.encoder(params), bytes)
}

/** An encoder that has said nothing yet does not agree. */
function agrees(encoder: DeflateEncoder, { plain, isWhole, deflated }: IdentifyInput): boolean {
  let made = 0
  const isSame = (pieces: readonly Uint8Array[]) => {
    for (const piece of pieces) {
      const size = Math.min(piece.length, deflated.length - made)
      if (isWhole && size < piece.length) return false
      if (Buffer.compare(piece.subarray(0, size), deflated.subarray(made, made + size)) !== 0) return false
      made += size
    }
    return true
  }
  for (let at = 0; at < plain.length; at += stepBytes) {
    if (isSame(encoder.push(plain.subarray(at, at + stepBytes)))) continue
    encoder.close?.()
    return false
  }
  if (isWhole) return isSame(encoder.end()) && made === deflated.length
  encoder.close?.()
  return made > 0
}
