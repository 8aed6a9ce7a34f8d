// Small blobs, mostly configs: every pull asks for one, and every push looks into one. They are kept in memory.
import { concatBytes, CorruptError } from '../base/index.ts'
import type { Moment } from '../db/index.ts'
import type { Blob } from './blob-rows.ts'
import type { Registry } from './registry.ts'

/** Blobs up to this size are sent out of memory. */
export const smallBlobBytes = 64 << 10

/** The caller has found that the image has it. */
export async function smallBlob({ store, smallBlobs }: Registry, { content }: Blob, moment?: Moment): Promise<Uint8Array> {
  const kept = smallBlobs.get(content)
  if (kept !== undefined) return kept
  const found = await store.get(content, undefined, undefined, moment)
  if (found === null) throw new CorruptError('content', `the content ${content} of a blob is not there`)
  const pieces: Uint8Array[] = []
  for await (const piece of found.bytes) pieces.push(piece)
  const bytes = concatBytes(pieces)
  smallBlobs.set(content, bytes, bytes.length)
  return bytes
}
