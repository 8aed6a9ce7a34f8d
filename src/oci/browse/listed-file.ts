// One file's bytes, held to what the list of its layer says of them.
import { createHash } from 'node:crypto'
import { CorruptError } from '../../base/index.ts'

export interface FileWanted {
  /** Bytes of other bodies before it. */
  readonly bodyAt: number
  readonly sizeBytes: number
  readonly sha256: Uint8Array
}

/** As many of the bytes as the file has. CorruptError `layer-file` instead of the last piece where they aren't those that were listed. */
export async function* listed(
  bytes: AsyncIterable<Uint8Array>,
  { sizeBytes, sha256 }: FileWanted,
): AsyncGenerator<Uint8Array, void, undefined> {
  const sum = createHash('sha256')
  let left = sizeBytes
  let last: Uint8Array | null = null
  for await (const piece of bytes) {
    if (last !== null) yield last
    // a copy: what it is a view of may be used again
    last = new Uint8Array(piece.subarray(0, left))
    left -= last.length
    sum.update(last)
    if (left === 0) break
  }
  if (left > 0 || !sum.digest().equals(sha256)) throw new CorruptError('layer-file', 'a file of a layer is not what it was')
  if (last !== null) yield last
}
