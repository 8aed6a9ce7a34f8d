// Bytes as they are sent between threads: in pieces of one size, each of which may be given away.

const chunkBytes = 256 << 10

/** The same bytes in pieces of one size, each with a memory of its own. */
export async function* inChunks(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
  let chunk = new Uint8Array(chunkBytes)
  let used = 0
  for await (const piece of pieces) {
    for (let from = 0; from < piece.length; ) {
      const part = piece.subarray(from, from + chunkBytes - used)
      chunk.set(part, used)
      used += part.length
      from += part.length
      if (used < chunkBytes) continue
      yield chunk
      chunk = new Uint8Array(chunkBytes)
      used = 0
    }
  }
  if (used > 0) yield chunk.slice(0, used)
}
