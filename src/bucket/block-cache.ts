// Reads of immutable keys through blocks: memory first, then files on the local disk, then the bucket.
// Where the bucket's own bytes are near (Bucket.readNow), there is no disk layer and every read is immediate.
// Invariants: memory ≤ memoryBytes + what is being fetched (≤ fetchBytes for each read under way, 8 MiB for each of 16 streams and 1 MiB for each further one);
// a block is fetched once, however many wait for it; streams neither fill nor reorder the memory; what the cache's disk does wrong
// costs time and is never seen in a result.
import { type Clock, CorruptError, type Randomness } from '../base/index.ts'
import { BlockStream, pieceBytes, pieceName } from './block-stream.ts'
import type { Bucket, Key, OpenValue } from './bucket.ts'
import { DiskBlocks } from './disk-blocks.ts'
import { assertRange, shortValue } from './errors.ts'
import { type BlockCounts, blockName, MemoryBlocks } from './memory-blocks.ts'

export type { BlockCounts } from './memory-blocks.ts'

export interface BlockReader {
  /**
   * The bytes at `offset` of a value that is `valueSizeBytes` long. Immediate when they are in memory or near; a view of a block where
   * one block holds them all: read-only, and copied by who keeps it. CorruptError: 'short', 'missing-key'; UnavailableError.
   */
  read(key: Key, valueSizeBytes: number, offset: number, sizeBytes: number): Uint8Array | Promise<Uint8Array>

  /** The range in order, in large pieces (1 to 4 MiB but for the last), one piece read ahead. A piece is good until the next one is asked for. */
  stream(key: Key, offset: number, sizeBytes: number, signal?: AbortSignal): AsyncIterable<Uint8Array>

  /** Where the bucket's bytes are near: the value for reads into the caller's own memory. */
  openValue?(key: Key): Promise<OpenValue>

  readonly counts: Readonly<BlockCounts>
  /** Bytes of blocks in memory. */
  readonly heldBytes: number

  close(): Promise<void>
}

export interface BlockCacheOptions {
  /** Of each instance: every worker thread has its own. */
  readonly memoryBytes: number
  /** Shared by all threads and processes that are given it; null: no disk layer. Made when missing. Unused where the bucket is near. */
  readonly disk: { readonly folder: string; readonly bytes: number } | null
  readonly clock: Clock
  readonly randomness: Randomness
  /** 256 KiB, or 16 KiB where the bucket is near (a system call costs less than a large copy). All that share a folder use the same. */
  readonly blockBytes?: number
}

export function makeBlockReader(bucket: Bucket, options: BlockCacheOptions): BlockReader {
  if (bucket.readNow !== undefined && bucket.openValue !== undefined) return new NearReader(bucket, options)
  return new FarReader(bucket, options)
}

/** One request fetches at most so much for a read that goes over several blocks. */
const fetchBytes = 4 << 20
const mostBlocksAhead = 8

class NearReader implements BlockReader {
  readonly counts: BlockCounts = { memory: 0, disk: 0, bucket: 0, near: 0 }
  readonly #bucket: Bucket
  readonly #memory: MemoryBlocks
  readonly #blockBytes: number

  constructor(bucket: Bucket, options: BlockCacheOptions) {
    this.#bucket = bucket
    this.#memory = new MemoryBlocks(options.memoryBytes)
    this.#blockBytes = options.blockBytes ?? 16 << 10
  }

  get heldBytes(): number {
    return this.#memory.heldBytes
  }

  read(key: Key, valueSizeBytes: number, offset: number, sizeBytes: number): Uint8Array {
    assertInside(key, valueSizeBytes, offset, sizeBytes)
    const blockBytes = this.#blockBytes
    const first = Math.floor(offset / blockBytes)
    const start = first * blockBytes
    // What goes over the end of a block is read past the blocks: one system call, no copying together.
    if (offset + sizeBytes > start + blockBytes) return this.#readNow(key, offset, sizeBytes)
    const name = blockName(key, blockBytes, first)
    let block = this.#memory.get(name)
    if (block === undefined) {
      block = this.#readNow(key, start, Math.min(blockBytes, valueSizeBytes - start))
      this.#memory.set(name, block)
    } else this.counts.memory++
    return block.subarray(offset - start, offset - start + sizeBytes)
  }

  stream(key: Key, offset: number, sizeBytes: number, signal?: AbortSignal): AsyncIterable<Uint8Array> {
    return this.#bucket.stream(key, { offset, sizeBytes }, signal)
  }

  openValue(key: Key): Promise<OpenValue> {
    if (this.#bucket.openValue === undefined) throw new TypeError('not a near bucket')
    return this.#bucket.openValue(key)
  }

  async close(): Promise<void> {
    this.#memory.clear()
  }

  #readNow(key: Key, offset: number, sizeBytes: number): Uint8Array {
    this.counts.near++
    if (this.#bucket.readNow === undefined) throw new TypeError('not a near bucket')
    return this.#bucket.readNow(key, { offset, sizeBytes })
  }
}

class FarReader implements BlockReader {
  readonly counts: BlockCounts = { memory: 0, disk: 0, bucket: 0, near: 0 }
  readonly #bucket: Bucket
  readonly #memory: MemoryBlocks
  readonly #disk: DiskBlocks | null
  readonly #blockBytes: number
  readonly #wide = { count: 0 }
  // Blocks on their way, by name: whoever wants one waits for the same promise.
  readonly #coming = new Map<string, Promise<Uint8Array>>()
  // For each key that is being read: the block after the last one, and how many reads in a row went on there.
  readonly #runs = new Map<Key, { next: number; length: number; fetched: number }>()

  constructor(bucket: Bucket, options: BlockCacheOptions) {
    this.#bucket = bucket
    this.#memory = new MemoryBlocks(options.memoryBytes)
    this.#blockBytes = options.blockBytes ?? 256 << 10
    const { disk, clock, randomness } = options
    this.#disk = disk === null || disk.bytes === 0 ? null : new DiskBlocks(disk.folder, disk.bytes, clock, randomness)
  }

  get heldBytes(): number {
    return this.#memory.heldBytes
  }

  read(key: Key, valueSizeBytes: number, offset: number, sizeBytes: number): Uint8Array | Promise<Uint8Array> {
    assertInside(key, valueSizeBytes, offset, sizeBytes)
    if (sizeBytes === 0) return new Uint8Array()
    const first = Math.floor(offset / this.#blockBytes)
    const last = Math.floor((offset + sizeBytes - 1) / this.#blockBytes)
    this.#noteRun(key, valueSizeBytes, first, last)
    const blocks: Uint8Array[] = []
    for (let at = first; at <= last; at++) {
      const block = this.#memory.get(blockName(key, this.#blockBytes, at))
      if (block === undefined) return this.#readFar(key, valueSizeBytes, offset, sizeBytes)
      blocks.push(block)
    }
    this.counts.memory += blocks.length
    return cutOut(blocks, offset - first * this.#blockBytes, sizeBytes)
  }

  stream(key: Key, offset: number, sizeBytes: number, signal?: AbortSignal): AsyncIterable<Uint8Array> {
    const layers = { bucket: this.#bucket, disk: this.#disk, counts: this.counts, wide: this.#wide }
    return new BlockStream(layers, key, { offset, sizeBytes }, signal)
  }

  async close(): Promise<void> {
    await this.#disk?.close()
    this.#memory.clear()
    this.#runs.clear()
  }

  async #readFar(key: Key, valueSizeBytes: number, offset: number, sizeBytes: number): Promise<Uint8Array> {
    const first = Math.floor(offset / this.#blockBytes)
    const last = Math.floor((offset + sizeBytes - 1) / this.#blockBytes)
    const blocks = await this.#blocks(key, valueSizeBytes, first, last)
    return cutOut(blocks, offset - first * this.#blockBytes, sizeBytes)
  }

  /** The blocks first … last, from wherever they are. Fetches whole runs of missing ones with one request each. */
  async #blocks(key: Key, valueSizeBytes: number, first: number, last: number): Promise<Uint8Array[]> {
    const wanted: Promise<Uint8Array>[] = []
    for (let at = first; at <= last; ) {
      const name = blockName(key, this.#blockBytes, at)
      const block = this.#memory.get(name)
      const coming = this.#coming.get(name)
      if (block !== undefined || coming !== undefined) {
        if (block !== undefined) this.counts.memory++
        wanted.push(block === undefined ? (coming as Promise<Uint8Array>) : Promise.resolve(block))
        at++
        continue
      }
      const end = this.#endOfGap(key, at, last)
      wanted.push(...this.#fetch(key, valueSizeBytes, at, end))
      at = end + 1
    }
    return Promise.all(wanted)
  }

  /** The last block, up to `last`, of the gap that starts at `first`: neither in memory nor on its way; not more than one request takes. */
  #endOfGap(key: Key, first: number, last: number): number {
    const most = Math.min(last, first + Math.max(1, Math.floor(fetchBytes / this.#blockBytes)) - 1)
    let end = first
    while (end < most) {
      const name = blockName(key, this.#blockBytes, end + 1)
      if (this.#memory.has(name) || this.#coming.has(name)) break
      end++
    }
    return end
  }

  /** Promises for the blocks first … last, which nobody else is fetching: from the disk, else from the bucket with one request. */
  #fetch(key: Key, valueSizeBytes: number, first: number, last: number): Promise<Uint8Array>[] {
    const names = Array.from({ length: last - first + 1 }, (_, at) => blockName(key, this.#blockBytes, first + at))
    const fetched = this.#fetchAll(key, valueSizeBytes, first, names)
    return names.map((name, at) => {
      const block = fetched.then((blocks) => blocks[at] as Uint8Array).finally(() => this.#coming.delete(name))
      block.catch(() => {}) // who waits for it is told; a block that was fetched ahead may have nobody
      this.#coming.set(name, block)
      return block
    })
  }

  async #fetchAll(key: Key, valueSizeBytes: number, first: number, names: readonly string[]): Promise<Uint8Array[]> {
    const blocks = this.#disk === null ? [] : await this.#fromDisk(this.#disk, key, valueSizeBytes, first, names)
    if (blocks.length < names.length) {
      const offset = (first + blocks.length) * this.#blockBytes
      const end = Math.min(valueSizeBytes, (first + names.length) * this.#blockBytes)
      const bytes = await this.#bucket.get(key, { offset, sizeBytes: end - offset })
      for (let at = 0; at < bytes.length; at += this.#blockBytes) {
        // A copy, unless it is all there is: a view would keep the whole answer in memory for one block.
        const block = bytes.length <= this.#blockBytes ? bytes : bytes.slice(at, at + this.#blockBytes)
        const name = names[blocks.length] as string
        this.counts.bucket++
        this.#disk?.set(name, block)
        blocks.push(block)
      }
    }
    names.forEach((name, at) => this.#memory.set(name, blocks[at] as Uint8Array))
    return blocks
  }

  /** As many of the first blocks as the disk has, each with the length that it must have. */
  async #fromDisk(disk: DiskBlocks, key: Key, valueSizeBytes: number, first: number, names: readonly string[]): Promise<Uint8Array[]> {
    const found = await Promise.all(names.map((name, at) => this.#blockFromDisk(disk, key, valueSizeBytes, first + at, name)))
    const missing = found.indexOf(null)
    const blocks = found.filter((block) => block !== null)
    if (missing !== -1) blocks.length = missing
    this.counts.disk += blocks.length
    return blocks
  }

  /** A block from its own file, else out of the piece that a stream left there. */
  async #blockFromDisk(disk: DiskBlocks, key: Key, valueSizeBytes: number, at: number, name: string): Promise<Uint8Array | null> {
    const start = at * this.#blockBytes
    const sizeBytes = Math.min(this.#blockBytes, valueSizeBytes - start)
    const block = await disk.get(name)
    if (block?.length === sizeBytes) return block
    const from = start - (start % pieceBytes)
    if (start + sizeBytes > from + pieceBytes) return null
    const piece = await disk.get(pieceName(key, from, from + pieceBytes))
    return piece?.length === pieceBytes ? piece.slice(start - from, start - from + sizeBytes) : null
  }

  /** Reads that go on where the last one ended make the next blocks come before they are asked for: 1, 2, 4 … of them. */
  #noteRun(key: Key, valueSizeBytes: number, first: number, last: number): void {
    const run = this.#runs.get(key)
    if (run === undefined) {
      if (this.#runs.size >= 256) this.#runs.delete(this.#runs.keys().next().value as Key)
      this.#runs.set(key, { next: last + 1, length: 0, fetched: last + 1 })
      return
    }
    if (last < run.next && first >= run.next - 1) return // still in the same block
    const goesOn = first === run.next || first === run.next - 1
    run.length = goesOn ? run.length + 1 : 0
    run.fetched = goesOn ? Math.max(run.fetched, last + 1) : last + 1
    run.next = last + 1
    if (!goesOn || run.length < 2) return
    const lastOfValue = Math.floor((valueSizeBytes - 1) / this.#blockBytes)
    const until = Math.min(lastOfValue, last + Math.min(mostBlocksAhead, 2 ** (run.length - 2)))
    // Half a window at a time: not a request for each block.
    if (until < run.fetched || (until - run.fetched + 1 < mostBlocksAhead / 2 && run.length > 5 && until < lastOfValue)) return
    const from = run.fetched
    run.fetched = until + 1
    this.#blocks(key, valueSizeBytes, from, until).catch(() => {}) // whoever needs them asks again, and is told
  }
}

function assertInside(key: Key, valueSizeBytes: number, offset: number, sizeBytes: number): void {
  assertRange(key, { offset, sizeBytes })
  if (!Number.isSafeInteger(valueSizeBytes) || valueSizeBytes < 0) throw new CorruptError('bad-range', `${key}: no size: ${valueSizeBytes}`)
  if (offset + sizeBytes > valueSizeBytes) throw shortValue(key, { offset, sizeBytes }, valueSizeBytes)
}

/** `sizeBytes` from `start` of the blocks' bytes: a view where one block holds them. */
function cutOut(blocks: readonly Uint8Array[], start: number, sizeBytes: number): Uint8Array {
  const [first] = blocks
  if (first !== undefined && start + sizeBytes <= first.length) return first.subarray(start, start + sizeBytes)
  const out = new Uint8Array(sizeBytes)
  let position = 0
  let skip = start
  for (const block of blocks) {
    const part = block.subarray(skip, Math.min(block.length, skip + sizeBytes - position))
    out.set(part, position)
    position += part.length
    skip = 0
  }
  return out
}
