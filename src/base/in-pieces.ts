// Bytes as they are sent between threads: in pieces of one size, each of which may be given away.

const defaultBytes = 256 << 10

/** The same bytes in pieces of one size, each with a memory of its own; the first one may be smaller, so that it comes soon. */
export async function* inPieces(
  source: AsyncIterable<Uint8Array>,
  firstBytes = defaultBytes,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
  let piece = new Uint8Array(firstBytes)
  let filled = 0
  for await (const bytes of source) {
    for (let at = 0; at < bytes.length; ) {
      const part = bytes.subarray(at, at + piece.length - filled)
      piece.set(part, filled)
      filled += part.length
      at += part.length
      if (filled < piece.length) continue
      yield piece
      piece = new Uint8Array(defaultBytes)
      filled = 0
    }
  }
  if (filled > 0) yield piece.slice(0, filled)
}
