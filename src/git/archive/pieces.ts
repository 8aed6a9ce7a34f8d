// Streams of bytes on their way out of a worker: through a Node stream (zlib), and gathered into pieces that are worth a message.
import { Readable, type Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'

const pieceBytes = 256 << 10

/** What comes out of the stream, while the source is read no faster than that is taken. Throws what the source throws. */
export async function* through(source: AsyncIterable<Uint8Array>, stream: Transform): AsyncGenerator<Uint8Array, void, undefined> {
  // not as objects: a piece counts by its bytes
  const feeding = pipeline(Readable.from(filled(source), { objectMode: false }), stream)
  feeding.catch(() => {}) // told below
  try {
    yield* stream as AsyncIterable<Uint8Array>
  } catch (error) {
    await feeding
    throw error
  }
  await feeding
}

async function* filled(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const bytes of source) if (bytes.length > 0) yield bytes
}

/** The same bytes in pieces of one size, which are the receiver's. */
export async function* gathered(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
  let piece = new Uint8Array(pieceBytes)
  let used = 0
  for await (const bytes of source) {
    for (let from = 0; from < bytes.length; ) {
      const part = Math.min(pieceBytes - used, bytes.length - from)
      piece.set(bytes.subarray(from, from + part), used)
      used += part
      from += part
      if (used < pieceBytes) continue
      yield piece
      piece = new Uint8Array(pieceBytes)
      used = 0
    }
  }
  if (used > 0) yield piece.slice(0, used)
}
