// Entries of stored packs on their way into a new one: what is deflated is copied as it is, headers are new, since bases lie elsewhere.
import { createHash } from 'node:crypto'
import { inPieces } from '../../base/index.ts'
import type { ObjectFormat } from '../format/object-id.ts'
import { MAX_ENTRY_HEADER_BYTES } from '../format/pack.ts'
import { type StoredPack, storedEntryHeader } from '../odb/index.ts'

/** Entries above this are copied piece by piece. */
export const largeEntryBytes = 4 << 20

/**
 * The entry's zlib stream as it is, under a header of its new place.
 * @param header is told what the stream holds: bytes of the delta or of the whole object
 * @throws CorruptError when what stands there is no entry's header
 */
export async function* storedEntry(
  pack: StoredPack,
  position: number,
  header: (sizeBytes: number) => Uint8Array,
): AsyncGenerator<Uint8Array, void, undefined> {
  const offset = pack.index.offset(position)
  const size = pack.index.end(position) - offset
  const isLarge = size > largeEntryBytes
  const read = pack.read(offset, isLarge ? MAX_ENTRY_HEADER_BYTES : size)
  const bytes = read instanceof Promise ? await read : read
  const old = storedEntryHeader(bytes, pack)
  yield header(old.sizeBytes)
  if (isLarge) yield* pack.stream(offset + old.headerBytes, size - old.headerBytes)
  else yield bytes.subarray(old.headerBytes)
}

/** A pack's header and entries in chunks, each the receiver's, and its trailer. */
export async function* wholePack(
  format: ObjectFormat,
  pieces: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
  const hash = createHash(format)
  for await (const chunk of inPieces(pieces)) {
    hash.update(chunk)
    yield chunk
  }
  yield new Uint8Array(hash.digest())
}
