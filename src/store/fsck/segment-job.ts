// One segment, read back from where it is stored and compared with its own hashes, in a worker: every block's CRC, every chunk's SHA-256, the index's hash.
// The block cache is passed by: what lies in it says nothing about the bucket. Memory: some MiB of blocks, and one inflated.
import { createHash } from 'node:crypto'
import type { MessagePort } from 'node:worker_threads'
import { answerJob, CorruptError, equalBytes } from '../../base/index.ts'
import { type Bucket, segmentKey } from '../../bucket/index.ts'
import { inflateBlock, type SegmentPlace } from '../content-reader.ts'
import { decodePortable } from '../format/recipe.ts'
import { type BlockPlace, indexStart, SegmentIndex, trailerBytes } from '../format/segment.ts'

export interface SegmentCheck {
  /** Null: there is no such key. */
  readonly sizeBytes: number | null
  /** What is wrong with the index; nothing else could be checked then. */
  readonly indexError: string | null
  readonly indexBytes: number
  readonly chunkCount: number
  /** SHA-256 by ordinal. */
  readonly hashes: Uint8Array
  readonly badBlocks: readonly BadBlock[]
}

export interface BadBlock {
  readonly number: number
  /** Its chunks: `first` … `end − 1`. */
  readonly first: number
  readonly end: number
  readonly reason: string
}

/** Blocks are read together up to this. */
const readBytes = 4 << 20

/** @throws UnavailableError */
export async function segmentJob(segment: SegmentPlace, port: MessagePort, bucket: Bucket): Promise<void> {
  await answerJob(port, async (main, signal) => {
    main.send(await checkSegmentBytes(segment, bucket, signal))
  })
}

type Read = (offset: number, sizeBytes: number) => Promise<Uint8Array>

async function checkSegmentBytes(segment: SegmentPlace, bucket: Bucket, signal: AbortSignal): Promise<SegmentCheck> {
  const { tail, uuid } = segment
  const key = segmentKey(uuid)
  const nothing = { indexError: null, indexBytes: 0, chunkCount: 0, hashes: new Uint8Array(), badBlocks: [] }
  const sizeBytes = tail ? tail.length : ((await bucket.head(key, signal))?.sizeBytes ?? null)
  if (sizeBytes === null) return { ...nothing, sizeBytes }
  const read: Read = async (offset, length) =>
    tail?.subarray(offset, offset + length) ?? (await bucket.get(key, { offset, sizeBytes: length }, signal))
  try {
    const { index, indexBytes } = await readIndex(read, sizeBytes)
    const badBlocks = await checkBlocks(index, read, sizeBytes - indexBytes, signal)
    const { chunkCount } = index
    return { sizeBytes, indexError: null, indexBytes, chunkCount, hashes: new Uint8Array(index.hashes), badBlocks }
  } catch (error) {
    if (!(error instanceof CorruptError)) throw error
    // collected since the row was read: whoever asks looks at the row again
    if (error.code === 'missing-key') return { ...nothing, sizeBytes: null }
    return { ...nothing, sizeBytes, indexError: error.message }
  }
}

async function readIndex(read: Read, sizeBytes: number): Promise<{ index: SegmentIndex; indexBytes: number }> {
  if (sizeBytes < trailerBytes) throw new CorruptError('segment-index', 'the segment is shorter than a trailer')
  const from = indexStart(await read(sizeBytes - trailerBytes, trailerBytes))
  const indexBytes = sizeBytes - from
  if (indexBytes < trailerBytes || from < 0) throw new CorruptError('segment-index', 'the index of a segment lies outside of it')
  const index = new SegmentIndex(await read(from, indexBytes))
  decodePortable(index.section('CONT'))
  return { index, indexBytes }
}

/** @param blockBytes what stands before the index: blocks, one behind the other */
async function checkBlocks(index: SegmentIndex, read: Read, blockBytes: number, signal: AbortSignal): Promise<BadBlock[]> {
  const bad: BadBlock[] = []
  let held = new Uint8Array() as Uint8Array
  let heldAt = 0
  for (let number = 0; number < index.blockCount; number++) {
    signal.throwIfAborted()
    const block = index.block(number)
    const { offset, storedBytes } = block
    if (offset < heldAt || offset + storedBytes > heldAt + held.length) {
      heldAt = offset
      held = await read(offset, Math.min(Math.max(readBytes, storedBytes), blockBytes - offset))
    }
    const reason = wrongWith(index, block, held.subarray(offset - heldAt, offset - heldAt + storedBytes))
    if (reason !== null) bad.push({ number, first: block.first, end: block.end, reason })
  }
  return bad
}

function wrongWith(index: SegmentIndex, block: BlockPlace, stored: Uint8Array): string | null {
  let bytes: Uint8Array
  try {
    bytes = inflateBlock(block, stored)
  } catch (error) {
    if (error instanceof CorruptError) return error.message
    throw error
  }
  let at = 0
  for (let ordinal = block.first; ordinal < block.end; ordinal++) {
    const chunk = bytes.subarray(at, at + index.size(ordinal))
    at += chunk.length
    if (!equalBytes(createHash('sha256').update(chunk).digest(), index.hash(ordinal))) return `chunk ${ordinal} is not what its hash says`
  }
  return at === bytes.length ? null : `block ${block.number} has more bytes than its chunks`
}
