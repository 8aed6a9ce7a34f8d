// Whole contents read back: from the bucket to whoever asked, without a worker between. Invariant: no byte leaves that wasn't part of a MiB whose CRC-32 is what it
// was when the bytes came and were hashed.
import { crc32 } from 'node:zlib'
import { asBuffer, CorruptError } from '../../base/index.ts'
import { type Bucket, type Key, wholeKey } from '../../bucket/index.ts'
import type { ContentRange } from '../content-store.ts'
import { sumBytes, sumsBytes } from '../format/whole.ts'
import type { FramePool } from './frames.ts'
import type { HotBlocks } from './hot-blocks.ts'

/** A part as its row tells of it. */
export interface WholePart {
  readonly uuid: string
  readonly sizeBytes: number
  readonly sums: Uint8Array
}

/** Checked bytes, at most 1 MiB of them, and what gives their memory back: then nobody looks at them any more. */
export interface CheckedBytes {
  readonly bytes: Uint8Array
  free(): void
}

/** The range's bytes in pieces of at most 1 MiB, which are the taker's own. CorruptError; UnavailableError. */
export async function* readWhole(
  bucket: Bucket,
  parts: readonly WholePart[],
  range: ContentRange,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const { bytes } of checkedBytes(bucket, parts, range, { take: ownMemory, give: () => {} }, signal)) yield bytes
}

function ownMemory(): Uint8Array {
  return new Uint8Array(Buffer.allocUnsafeSlow(sumBytes).buffer)
}

/** The same in memory of the pool, or in memory that holds what is read often. */
export async function* checkedBytes(
  bucket: Bucket,
  parts: readonly WholePart[],
  range: ContentRange,
  pool: Pick<FramePool, 'take' | 'give'>,
  signal?: AbortSignal,
  hot?: HotBlocks,
): AsyncGenerator<CheckedBytes, void, undefined> {
  let start = 0
  const until = range.offset + range.sizeBytes
  for (const part of parts) {
    const end = start + part.sizeBytes
    if (end > range.offset && start < until) {
      yield* readPart({ bucket, pool, signal, hot }, part, Math.max(0, range.offset - start), Math.min(part.sizeBytes, until - start))
    }
    start = end
  }
}

interface Reading {
  readonly bucket: Bucket
  readonly pool: Pick<FramePool, 'take' | 'give'>
  readonly signal: AbortSignal | undefined
  readonly hot: HotBlocks | undefined
}

/** Bytes `from` … `until` − 1 of a part. */
async function* readPart(reading: Reading, part: WholePart, from: number, until: number): AsyncGenerator<CheckedBytes> {
  const key = wholeKey(part.uuid)
  if (part.sums.length !== sumsBytes(part.sizeBytes)) throw new CorruptError('whole', `the row of ${key} has another number of sums`)
  const end = Math.ceil(until / sumBytes)
  const cut = (block: Uint8Array, at: number) => block.subarray(Math.max(0, from - at), Math.min(block.length, until - at))
  let number = Math.floor(from / sumBytes)
  // what is in memory at the beginning: mostly all of it, or nothing
  for (; number < end; number++) {
    const block = reading.hot?.kept(nameOf(part, number))
    if (block === undefined) break
    reading.signal?.throwIfAborted()
    yield { bytes: cut(block, number * sumBytes), free: () => {} }
  }
  if (number === end) return
  const blocks = { key, part, first: number, end }
  for await (const { memory, sizeBytes } of reading.bucket.openValue === undefined ? streamed(reading, blocks) : opened(reading, blocks)) {
    const block = memory.subarray(0, sizeBytes)
    reading.signal?.throwIfAborted()
    if (crc32(block) !== asBuffer(part.sums).readUInt32LE(number * 4)) {
      throw new CorruptError('whole', `MiB ${number} of ${key} is not what its sum says`)
    }
    let isFree = reading.hot?.keeps(nameOf(part, number), block) === true
    const free = (): void => {
      if (!isFree) reading.pool.give(memory)
      isFree = true
    }
    yield { bytes: cut(block, number++ * sumBytes), free }
  }
}

function nameOf({ uuid }: WholePart, number: number): string {
  return `${uuid} ${number}`
}

interface Blocks {
  readonly key: Key
  readonly part: WholePart
  readonly first: number
  readonly end: number
}

/** A MiB of a part, or what there is of the last one. */
interface Block {
  readonly memory: Uint8Array
  readonly sizeBytes: number
}

function blockSize(part: WholePart, number: number): number {
  return Math.min(sumBytes, part.sizeBytes - number * sumBytes)
}

/** From a near bucket: the next block is on its way while one is looked at. */
async function* opened({ bucket, pool }: Reading, { key, part, first, end }: Blocks): AsyncGenerator<Block> {
  const value = await (bucket.openValue as NonNullable<Bucket['openValue']>)(key)
  const read = async (number: number): Promise<Block> => {
    const block = { memory: pool.take(), sizeBytes: blockSize(part, number) }
    await value.read([block.memory.subarray(0, block.sizeBytes)], number * sumBytes)
    return block
  }
  let next: Promise<Block> | null = null
  try {
    for (let number = first; number < end; number++) {
      const block: Block = await (next ?? read(number))
      next = number + 1 < end ? read(number + 1) : null
      next?.catch(() => {}) // thrown where it is waited for, unless the taker leaves first
      yield block
    }
  } finally {
    await next?.then(({ memory }) => pool.give(memory)).catch(() => {})
    await value.close()
  }
}

async function* streamed({ bucket, pool, signal }: Reading, { key, part, first, end }: Blocks): AsyncGenerator<Block> {
  const offset = first * sumBytes
  const sizeBytes = Math.min(end * sumBytes, part.sizeBytes) - offset
  let number = first
  let memory = pool.take()
  let filled = 0
  for await (const bytes of bucket.stream(key, { offset, sizeBytes }, signal)) {
    for (let at = 0; at < bytes.length; ) {
      const piece = bytes.subarray(at, at + blockSize(part, number) - filled)
      memory.set(piece, filled)
      filled += piece.length
      at += piece.length
      if (filled < blockSize(part, number)) continue
      yield { memory, sizeBytes: filled }
      number++
      filled = 0
      if (number < end) memory = pool.take()
    }
  }
}
