// What the module offers. The map of linear memory stands in kernels/kernel.ts.
import { chunkSetup } from './chunk'
import { crc32Setup } from './crc32'
import { deflateBlockSetup } from './deflate-block'
import { inflateSetup } from './inflate'

export { heapBase } from './memory'
export { adler32 } from './adler32'
export { crc32 } from './crc32'
export { inflate, inflateBegin, inflateIn, inflateMore, inflateOut } from './inflate'
export { deflate, deflateBound } from './deflate'
export { sha1Add, sha1Begin, sha1Blocks, sha1Clear, sha1Digests, sha1Flush, sha1QueueSize } from './sha1'
export { sha1Allowed } from './sha1-recent'
export { sha1OtherHalf } from './sha1-collision'
export { enqueue, writeHeader } from './frame'
export { applyDelta, deltaBaseSize, deltaHeader, deltaResultSize, deltaStart } from './delta'
export { deltaEncode, deltaIndex, deltaIndexBytes } from './delta-encode'
export { refsAdd, refsBegin, refsCount, refsGrow } from './refs'
export { scanTree } from './tree'
export { scanCommit } from './commit'
export { chunkSize } from './chunk'
export { zlibDistance, zlibMatch, zlibNote, zlibTableBytes } from './zlib-match'

/** Fills the kernels' tables; called once, before anything else. */
export function setup(): void {
  crc32Setup()
  inflateSetup()
  deflateBlockSetup()
  chunkSetup()
}
