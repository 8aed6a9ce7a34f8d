// An opened content made again out of its parts: the archive is joined, and the engine makes the stream of it that there was. In a worker: it is CPU-heavy.
import { setImmediate as turn } from 'node:timers/promises'
import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { CorruptError, inPieces } from '../../base/index.ts'
import type { ContentRange } from '../content-store.ts'
import { decodeReplayRecipe, type Replay } from '../replay/index.ts'
import { ByteInput } from './byte-input.ts'
import { Container, type OpenedForm } from './format/opened-form.ts'
import { joinTar } from './format/tar-split.ts'
import { mostMetaBytes } from './limits.ts'

/** The parts' bytes, read from where they are stored. */
export interface OpenedParts {
  readonly bodies: AsyncIterable<Uint8Array>
  readonly skeleton: AsyncIterable<Uint8Array>
  readonly corrections: AsyncIterable<Uint8Array>
}

/** So small that the first bytes come soon. */
const firstPieceBytes = 32 << 10

/**
 * The range's bytes; each piece is the taker's own. What stands before the range is made, too, and thrown away. Of the whole, the last piece waits for the digest.
 * CorruptError 'content', 'replay-engine', 'replay-recipe', those of reading; UnavailableError.
 */
export async function* rebuild(
  form: OpenedForm,
  parts: OpenedParts,
  replay: Replay,
  range: ContentRange,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
  const sum = range.sizeBytes === form.sizeBytes ? createHash('sha256') : null
  const end = range.offset + range.sizeBytes
  let at = 0
  let held: Uint8Array<ArrayBuffer> | null = null
  for await (const piece of inPieces(all(form, parts, replay), firstPieceBytes)) {
    const wanted = piece.subarray(Math.max(0, range.offset - at), Math.max(0, end - at))
    at += piece.length
    if (wanted.length > 0) {
      if (held !== null) yield held
      held = wanted.length === piece.length ? wanted : new Uint8Array(wanted)
      sum?.update(wanted)
    }
    if (at >= end && sum === null) break
    await turn()
  }
  if (sum === null ? at < end : at !== end || sum.digest('hex') !== form.digest) {
    throw new CorruptError('content', `an opened content is not made again as its digest says: ${form.digest}`)
  }
  if (held !== null) yield held
}

async function* all(
  form: OpenedForm,
  { bodies, skeleton, corrections }: OpenedParts,
  replay: Replay,
): AsyncGenerator<Uint8Array, void, undefined> {
  const plain = form.isTar ? joinTar(skeleton, bodies, { mostMetaBytes }) : bodies
  if (form.container === Container.none) yield* plain
  else if (form.container === Container.gzip) yield* gzipped(form, plain, new ByteInput(corrections), replay)
  else throw new CorruptError('opened-form', `opened content ${form.digest} is of a kind that this server does not know`)
}

async function* gzipped(
  { members, trailing }: OpenedForm,
  plain: AsyncIterable<Uint8Array>,
  corrections: ByteInput,
  replay: Replay,
): AsyncGenerator<Uint8Array, void, undefined> {
  const source = new ByteInput(plain)
  try {
    for (const member of members) {
      yield member.header
      const encoder = replay.encoder(decodeReplayRecipe(member.recipe), await corrections.take(member.correctionBytes))
      let sum = 0
      for (let left = member.plainBytes; left > 0; ) {
        const bytes = await source.some(left)
        if (bytes === null) throw new CorruptError('content', 'an opened content has fewer bytes than its members say')
        left -= bytes.length
        sum = crc32(bytes, sum)
        yield* encoder.push(bytes)
      }
      yield* encoder.end()
      const trailer = Buffer.alloc(8)
      trailer.writeUInt32LE(sum, 0)
      trailer.writeUInt32LE(member.plainBytes % 2 ** 32, 4)
      yield trailer
    }
    yield trailing
  } finally {
    await source.end()
    await corrections.end()
  }
}
