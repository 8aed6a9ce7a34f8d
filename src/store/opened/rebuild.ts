// An opened content made again out of its parts: the archive is joined, and the engine makes the stream of it that there was. In a worker: it is CPU-heavy.
import { setImmediate as turn } from 'node:timers/promises'
import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { CorruptError } from '../../base/index.ts'
import type { ContentRange } from '../content-store.ts'
import { decodeReplayRecipe, type Replay } from '../replay/index.ts'
import { Container, type OpenedForm } from './format/opened-form.ts'
import { joinTar } from './format/tar-split.ts'
import { mostMetaBytes } from './limits.ts'

/** The parts' bytes, read from where they are stored. */
export interface OpenedParts {
  readonly bodies: AsyncIterable<Uint8Array>
  readonly skeleton: AsyncIterable<Uint8Array>
}

const pieceBytes = 256 << 10

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
  for await (const piece of inPieces(all(form, parts, replay))) {
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

async function* all(form: OpenedForm, { bodies, skeleton }: OpenedParts, replay: Replay): AsyncGenerator<Uint8Array, void, undefined> {
  const plain = form.isTar ? joinTar(skeleton, bodies, { mostMetaBytes }) : bodies
  if (form.container === Container.none) yield* plain
  else if (form.container === Container.gzip) yield* gzipped(form, plain, replay)
  else throw new CorruptError('opened-form', `opened content ${form.digest} is of a kind that this server does not know`)
}

async function* gzipped(
  { members, trailing }: OpenedForm,
  plain: AsyncIterable<Uint8Array>,
  replay: Replay,
): AsyncGenerator<Uint8Array, void, undefined> {
  const source = plain[Symbol.asyncIterator]()
  let rest: Uint8Array = new Uint8Array()
  try {
    for (const member of members) {
      yield member.header
      const encoder = replay.encoder(decodeReplayRecipe(member.recipe))
      let sum = 0
      for (let left = member.plainBytes; left > 0; ) {
        if (rest.length === 0) {
          const { done, value } = await source.next()
          if (done === true) throw new CorruptError('content', 'an opened content has fewer bytes than its members say')
          rest = value
        }
        const bytes = rest.subarray(0, Math.min(left, rest.length))
        rest = rest.subarray(bytes.length)
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
    await source.return?.()
  }
}

/** The same bytes in pieces of one size, copied together; the first one is smaller, so that it comes soon. */
async function* inPieces(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
  let size = pieceBytes / 8
  let piece = new Uint8Array(size)
  let filled = 0
  for await (const bytes of source) {
    for (let at = 0; at < bytes.length; ) {
      const part = bytes.subarray(at, at + size - filled)
      piece.set(part, filled)
      filled += part.length
      at += part.length
      if (filled < size) continue
      yield piece
      size = pieceBytes
      piece = new Uint8Array(size)
      filled = 0
    }
  }
  if (filled > 0) yield piece.slice(0, filled)
}
