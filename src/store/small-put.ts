// A put of content that is one chunk, whose bytes are all there: a thread would take longer to hear of it than it takes to do.
import { hash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { hex } from '../base/index.ts'
import { packBlock } from './block-packer.ts'
import type { Digest } from './digest.ts'
import type { Ended } from './group-commit.ts'
import { type Block, Codec } from './format/segment.ts'
import { isPacked } from './opened/archive-head.ts'
import { ownSegment } from './put-job.ts'

/** What the group commit takes. The chunk is not looked for: it is named as the content is, and that is looked for there. @param bytes some, and no more than a chunk has */
export async function endSmall(bytes: Uint8Array): Promise<Ended> {
  const digest = hash('sha256', bytes, 'buffer')
  const [hashes, sizes] = [new Uint8Array(digest), Uint32Array.of(bytes.length)]
  const block = isPacked(bytes) ? plainBlock(bytes, hashes, sizes) : await packBlock(bytes, hashes, sizes)
  const runs = [{ segment: ownSegment, first: 0, count: 1, sizeBytes: bytes.length }]
  return { digest: hex(digest) as Digest, sizeBytes: bytes.length, runs, blocks: [block], staged: [], reference: null }
}

function plainBlock(bytes: Uint8Array, hashes: Uint8Array, sizes: Uint32Array): Block {
  return { stored: bytes, codec: Codec.raw, sizeBytes: bytes.length, crc: crc32(bytes), hashes, sizes }
}
