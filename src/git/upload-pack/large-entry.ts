// Objects that are too large to be encoded in memory: deflated piece by piece.
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createDeflate } from 'node:zlib'
import type { PacedRepository } from './repository.ts'

/** Objects from this size on are encoded piece by piece, one at a time in each thread. */
export const largeObjectBytes = 16 << 20
/** Deflated bytes that may wait for a slow client: objects that come to less are done with, and the next one's turn comes, however slow it is. */
const waitingBytes = 16 << 20
const pieceBytes = 256 << 10

/** The object's zlib stream. Errors as the reader's `pieces`. */
export async function* deflateObject(
  { objects, pace }: Pick<PacedRepository, 'objects' | 'pace'>,
  number: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  const options = { level: 1, chunkSize: pieceBytes, readableHighWaterMark: waitingBytes } // the last goes to the stream, and isn't typed
  const deflate = createDeflate(options)
  // what breaks on the way is thrown where the pieces are read
  pipeline(Readable.from(objects.pieces(number, pace.signal)), deflate, pace.signal ? { signal: pace.signal } : {}).catch(() => {})
  yield* deflate as AsyncIterable<Buffer>
}
