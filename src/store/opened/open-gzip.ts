// A gzip stream on its way into the store: what may make it again is found by its beginning; then it is inflated, what is inside goes into the archive, and what makes
// the stream again is held against it.
import { InputError } from '../../base/index.ts'
import { encodeReplayRecipe, IDENTIFY_BYTES, MOST_CORRECTION_BYTES, type Replay, type ReplayRecipe } from '../replay/index.ts'
import type { GzipMember, OpenedForm } from './format/opened-form.ts'
import { gunzip } from './gunzip.ts'
import { mostMembers, mostTrailingBytes } from './limits.ts'
import { DifferentStream, SameStream, type StreamProof } from './same-stream.ts'
import type { StoreArchive } from './store-archive.ts'

export interface GzipBeginning {
  /** Recipes that agree with the first member's beginning, the likeliest first; then, where it is asked for, that of the difference. */
  readonly recipes: readonly ReplayRecipe[]
  /** The last of the recipes is a difference. */
  readonly hasDifference: boolean
  /** What is inside, as far as it was looked at. */
  readonly plain: Uint8Array
}

/** Of a stream's beginning; so many bytes tell which difference is nearest. */
const nearestBytes = 100 << 10

/** @param attempt which of the recipes is wanted: the difference is looked for only where the others have been tried. InputError 'gzip-damaged'. */
export async function identifyGzip(source: AsyncIterable<Uint8Array>, replay: Replay, attempt: number): Promise<GzipBeginning> {
  const plain: Uint8Array[] = []
  const deflated: Uint8Array[] = []
  let clue = { xfl: 0, os: 0 }
  let plainBytes = 0
  let isWhole = false
  for await (const piece of gunzip(source)) {
    if (piece.kind === 'header') clue = { xfl: piece.header.xfl, os: piece.header.os }
    else if (piece.kind === 'deflated') deflated.push(new Uint8Array(piece.bytes))
    else if (piece.kind === 'plain') {
      plain.push(piece.bytes)
      plainBytes += piece.bytes.length
    } else if (piece.kind === 'end') {
      // an empty member says nothing
      if (plainBytes === 0) deflated.length = 0
      else isWhole = true
    }
    if (isWhole || plainBytes >= IDENTIFY_BYTES) break
  }
  const beginning = { plain: Buffer.concat(plain), deflated: Buffer.concat(deflated) }
  const recipes = replay.identify({ ...beginning, isWhole, clue })
  const nearest = attempt < recipes.length ? null : replay.nearest(beginning.deflated.subarray(0, nearestBytes))
  return {
    recipes: nearest === null ? recipes : [...recipes, nearest],
    hasDifference: nearest !== null,
    plain: beginning.plain,
  }
}

/** How a member's stream is to be made again. */
export interface GzipWay {
  readonly recipe: ReplayRecipe
  readonly isDifference: boolean
  /** Of the gzip stream: more corrections than half of it are none that pay. */
  readonly sizeBytes: number
}

/** Null: the recipe makes another stream. InputError 'difference-size', 'gzip-damaged', 'too-many-members', 'trailing', those of the archive. */
export async function inflateInto(
  archive: StoreArchive,
  source: AsyncIterable<Uint8Array>,
  { recipe, isDifference, sizeBytes }: GzipWay,
  replay: Replay,
): Promise<Pick<OpenedForm, 'members' | 'trailing'> | null> {
  const encoded = encodeReplayRecipe(recipe)
  const members: (GzipMember & { plainBytes: number; correctionBytes: number })[] = []
  const trailing: Uint8Array[] = []
  let correctionBytes = Math.min(sizeBytes / 2, MOST_CORRECTION_BYTES)
  let trailingBytes = 0
  let proof: StreamProof | null = null
  for await (const piece of gunzip(source)) {
    const member = members.at(-1)
    if (piece.kind === 'header') {
      if (members.length === mostMembers) throw new InputError('too-many-members', `it has more than ${mostMembers} gzip members`)
      members.push({ header: piece.bytes, plainBytes: 0, recipe: encoded, correctionBytes: 0 })
      proof = isDifference ? new DifferentStream(replay.corrections(recipe, correctionBytes)) : new SameStream(replay.encoder(recipe))
    } else if (piece.kind === 'trailing') {
      trailing.push(new Uint8Array(piece.bytes))
      trailingBytes += piece.bytes.length
      if (trailingBytes > mostTrailingBytes) throw new InputError('trailing', `more than ${mostTrailingBytes} bytes stand behind its end`)
    } else if (member === undefined || proof === null) continue
    else if (piece.kind === 'deflated') proof.deflated(piece.bytes)
    else if (piece.kind === 'plain') {
      if (!proof.plain(piece.bytes)) return null
      member.plainBytes += piece.bytes.length
      await archive.write(piece.bytes)
    } else {
      const corrections = proof.end()
      if (corrections === null) return null
      member.correctionBytes = corrections.length
      correctionBytes -= corrections.length
      await archive.correct(corrections)
    }
  }
  return { members, trailing: Buffer.concat(trailing) }
}
