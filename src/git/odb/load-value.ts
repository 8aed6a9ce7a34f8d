// The end of a stored value, read into memory that threads share, and hashed on the way: while a piece is hashed, the next one is read.
import { createHash } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import { type BlockReader, parseKey } from '../../bucket/index.ts'

/** Hashed at once; between two such pieces other requests have their turn. */
const pieceBytes = 1 << 20
/** A value ends with the hash of what is before it. */
const hashBytes = 32

export interface LoadedValue {
  readonly bytes: SharedArrayBuffer
  /** SHA-256 of all but the last 32 bytes. */
  readonly sha256: Uint8Array
}

/** @throws CorruptError when the value is gone or short; UnavailableError when the bucket doesn't answer */
export async function loadValue(reader: BlockReader, key: string, from: number, sizeBytes: number): Promise<LoadedValue> {
  const bytes = new SharedArrayBuffer(sizeBytes)
  const hash = createHash('sha256')
  const hashedBytes = sizeBytes - hashBytes
  let at = 0
  for await (const piece of pieces(reader, key, from, new Uint8Array(bytes))) {
    hash.update(piece.subarray(0, Math.max(0, hashedBytes - at)))
    at += piece.length
  }
  return { bytes, sha256: hash.digest() }
}

/** SHA-256, with turns for others: the index of a large pack would hold up every other request for tens of milliseconds. */
export async function hashInTurns(bytes: Uint8Array): Promise<Uint8Array> {
  const hash = createHash('sha256')
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    if (at > 0) await setImmediate()
    hash.update(bytes.subarray(at, at + pieceBytes))
  }
  return hash.digest()
}

/** Fills `target`; its parts in order, as they are filled. */
async function* pieces(reader: BlockReader, key: string, from: number, target: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  if (reader.openValue) return yield* nearPieces(reader, key, from, target)
  let at = 0
  for await (const part of reader.stream(parseKey(key), from, target.length)) {
    for (let done = 0; done < part.length; done += pieceBytes) {
      const piece = part.subarray(done, done + pieceBytes)
      target.set(piece, at)
      yield target.subarray(at, at + piece.length)
      at += piece.length
      if (done + pieceBytes < part.length) await setImmediate()
    }
  }
}

/** From where the bytes are near: right to where they stay. */
async function* nearPieces(
  reader: BlockReader,
  key: string,
  from: number,
  target: Uint8Array,
): AsyncGenerator<Uint8Array, void, undefined> {
  const value = await reader.openValue?.(parseKey(key))
  if (!value) return
  const read = async (at: number) => {
    const piece = target.subarray(at, at + pieceBytes)
    await value.read([piece], from + at)
    return piece
  }
  let next: Promise<Uint8Array> | null = null
  try {
    for (let at = 0; at < target.length; ) {
      const piece: Uint8Array = await (next ?? read(at))
      at += piece.length
      next = at < target.length ? read(at) : null
      next?.catch(() => {}) // awaited above, unless the caller leaves first
      yield piece
    }
  } finally {
    await next?.catch(() => {})
    await value.close()
  }
}
