// Whole contents read back: from the bucket to whoever asked, without a worker between. Invariant: no byte leaves that wasn't part of a MiB whose CRC-32 is what it
// was when the bytes came and were hashed.
import { crc32 } from 'node:zlib'
import { asBuffer, CorruptError } from '../../base/index.ts'
import { type Bucket, type Key, wholeKey } from '../../bucket/index.ts'
import type { ContentRange } from '../content-store.ts'
import { sumBytes, sumsBytes } from '../format/whole.ts'

/** A part as its row tells of it. */
export interface WholePart {
  readonly uuid: string
  readonly sizeBytes: number
  readonly sums: Uint8Array
}

/** The range's bytes in pieces of at most 1 MiB, which are the taker's own. CorruptError; UnavailableError. */
export async function* readWhole(
  bucket: Bucket,
  parts: readonly WholePart[],
  range: ContentRange,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  let start = 0
  const until = range.offset + range.sizeBytes
  for (const part of parts) {
    const end = start + part.sizeBytes
    if (end > range.offset && start < until) {
      yield* readPart(bucket, part, Math.max(0, range.offset - start), Math.min(part.sizeBytes, until - start), signal)
    }
    start = end
  }
}

/** Bytes `from` … `until` − 1 of a part. */
async function* readPart(bucket: Bucket, part: WholePart, from: number, until: number, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  const key = wholeKey(part.uuid)
  if (part.sums.length !== sumsBytes(part.sizeBytes)) throw new CorruptError('whole', `the row of ${key} has another number of sums`)
  const first = Math.floor(from / sumBytes)
  const end = Math.ceil(until / sumBytes)
  const blocks =
    bucket.openValue === undefined ? streamed(bucket, key, part, { first, end }, signal) : opened(bucket, key, part, { first, end })
  let number = first
  for await (const block of blocks) {
    signal?.throwIfAborted()
    if (crc32(block) !== asBuffer(part.sums).readUInt32LE(number * 4))
      throw new CorruptError('whole', `MiB ${number} of ${key} is not what its sum says`)
    const at = number++ * sumBytes
    yield block.subarray(Math.max(0, from - at), Math.min(block.length, until - at))
  }
}

interface Blocks {
  readonly first: number
  readonly end: number
}

function blockSize(part: WholePart, number: number): number {
  return Math.min(sumBytes, part.sizeBytes - number * sumBytes)
}

/** From a near bucket: each block into memory of its own, the next one on its way. */
async function* opened(bucket: Bucket, key: Key, part: WholePart, { first, end }: Blocks): AsyncGenerator<Uint8Array> {
  const value = await (bucket.openValue as NonNullable<Bucket['openValue']>)(key)
  const read = async (number: number): Promise<Uint8Array> => {
    const block = new Uint8Array(Buffer.allocUnsafeSlow(blockSize(part, number)).buffer)
    await value.read([block], number * sumBytes)
    return block
  }
  let next: Promise<Uint8Array> | null = null
  try {
    for (let number = first; number < end; number++) {
      const block: Uint8Array = await (next ?? read(number))
      next = number + 1 < end ? read(number + 1) : null
      next?.catch(() => {}) // thrown where it is waited for, unless the taker leaves first
      yield block
    }
  } finally {
    await next?.catch(() => {})
    await value.close()
  }
}

async function* streamed(
  bucket: Bucket,
  key: Key,
  part: WholePart,
  { first, end }: Blocks,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const offset = first * sumBytes
  const sizeBytes = Math.min(end * sumBytes, part.sizeBytes) - offset
  let number = first
  let block = new Uint8Array(blockSize(part, number))
  let filled = 0
  for await (const bytes of bucket.stream(key, { offset, sizeBytes }, signal)) {
    for (let at = 0; at < bytes.length; ) {
      const piece = bytes.subarray(at, at + block.length - filled)
      block.set(piece, filled)
      filled += piece.length
      at += piece.length
      if (filled < block.length) continue
      yield block
      number++
      filled = 0
      block = new Uint8Array(number < end ? blockSize(part, number) : 0)
    }
  }
}
