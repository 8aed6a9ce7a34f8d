// The worker's half of a get: reads blocks, inflates them, checks chunks, and gives their bytes in order.
// Invariant: no byte leaves that wasn't checked against its chunk's hash; of whole content, the last piece waits for the digest.
import { createHash, hash } from 'node:crypto'
import { zstdDecompressSync } from 'node:zlib'
import { CorruptError, equalBytes } from '../base/index.ts'
import { type BlockReader, segmentKey } from '../bucket/index.ts'
import type { Run } from './format/recipe.ts'
import { assertStored, type BlockPlace, Codec, SegmentIndex } from './format/segment.ts'

/** A segment as its row tells of it. */
export interface SegmentPlace {
  readonly id: number
  readonly uuid: string
  readonly sizeBytes: number
  readonly indexBytes: number
  readonly tail: Uint8Array | null
}

/** Runs, and what of their bytes is wanted. */
export interface ReadPlan {
  readonly runs: readonly Run[]
  readonly segments: readonly SegmentPlace[]
  /** Bytes before the range in the first run. */
  readonly skipBytes: number
  readonly sizeBytes: number
  /** Given when the range is the whole content. */
  readonly digest: string | null
}

/** Chunks of one block that stand one behind the other, and which of their bytes are wanted. */
interface Stretch {
  readonly segment: SegmentPlace
  readonly index: SegmentIndex
  readonly block: BlockPlace
  readonly first: number
  readonly end: number
  readonly skipBytes: number
  readonly takeBytes: number
}

/** A chunk out of a segment. */
export interface StoredChunk {
  readonly ordinal: number
  readonly hash: Uint8Array
  readonly bytes: Uint8Array
}

/** A block as it was found: still inflated from an earlier read, or as it is stored. */
type HeldBlock = { readonly inflated: Uint8Array; readonly stored: null } | { readonly inflated: null; readonly stored: Uint8Array }

/** Memory for indexes of segments: about 54 KiB each. */
const indexCacheBytes = 24 << 20
/** Inflated blocks that are kept: content that was changed in places comes back to them. */
const keptBlocks = 6

/** Lives as long as its worker. */
export class ContentReader {
  readonly #reader: BlockReader
  readonly #indexes = new Map<string, SegmentIndex>()
  #indexBytes = 0
  readonly #blocks = new Map<string, Uint8Array>()

  constructor(reader: BlockReader) {
    this.#reader = reader
  }

  /** The plan's bytes; each piece is the taker's own. CorruptError; UnavailableError. */
  async *read(plan: ReadPlan): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
    const sum = plan.digest === null ? null : createHash('sha256')
    let held: Uint8Array<ArrayBuffer> | null = null
    let left = plan.sizeBytes
    for await (const piece of this.#pieces(plan)) {
      if (held !== null) yield held
      held = piece
      left -= piece.length
      sum?.update(piece)
    }
    if (left !== 0) throw misfit()
    if (sum !== null && sum.digest('hex') !== plan.digest) {
      throw new CorruptError('content', `stored content is not what its digest says: ${plan.digest}`)
    }
    if (held !== null) yield held
  }

  /**
   * All bytes of several plans, in memory: each block is read and inflated once, however often they come back to it. CorruptError; UnavailableError.
   * What a plan's digest says is the caller's to see.
   */
  async readTogether(plans: readonly ReadPlan[]): Promise<Uint8Array[]> {
    const wholes = plans.map((plan) => Buffer.allocUnsafeSlow(plan.sizeBytes))
    const wanted = new Map<string, { readonly stretch: Stretch; readonly into: Uint8Array }[]>()
    for (const [n, plan] of plans.entries()) {
      let at = 0
      for await (const stretch of this.#stretches(plan)) {
        const into = (wholes[n] as Uint8Array).subarray(at, at + stretch.takeBytes)
        at += into.length
        const name = blockName(stretch.segment, stretch.block)
        const others = wanted.get(name)
        if (others === undefined) wanted.set(name, [{ stretch, into }])
        else others.push({ stretch, into })
      }
      if (at !== plan.sizeBytes) throw misfit()
    }
    for (const places of wanted.values()) {
      let held = await this.#fetch((places[0] as { readonly stretch: Stretch }).stretch)
      for (const { stretch, into } of places) {
        const { segment, block } = stretch
        if (held.inflated === null) held = { inflated: this.#inflated(segment, block, held.stored), stored: null }
        into.set(this.#checkedView(stretch, held.inflated as Uint8Array))
      }
    }
    return wholes
  }

  /** What is wanted of every stretch, checked; the next block is read while one is inflated and sent. */
  async *#pieces(plan: ReadPlan): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
    let next: { readonly stretch: Stretch; readonly block: Promise<HeldBlock> } | null = null
    for await (const stretch of this.#stretches(plan)) {
      const coming = { stretch, block: this.#fetch(stretch) }
      coming.block.catch(() => {}) // thrown where it is waited for
      if (next !== null) yield this.#checked(next.stretch, await next.block)
      next = coming
    }
    if (next !== null) yield this.#checked(next.stretch, await next.block)
  }

  async *#stretches(plan: ReadPlan): AsyncGenerator<Stretch, void, undefined> {
    const segments = new Map(plan.segments.map((segment) => [segment.id, segment]))
    const from = plan.skipBytes
    const until = plan.skipBytes + plan.sizeBytes
    let at = 0
    for (const run of plan.runs) {
      const segment = segments.get(run.segment)
      if (segment === undefined) throw new CorruptError('recipe', `a recipe names segment ${run.segment}, which has no row`)
      const index = await this.index(segment)
      for (let ordinal = run.first; ordinal < run.first + run.count; ) {
        const block = index.blockOf(ordinal)
        let first = -1
        let start = 0
        for (const end = Math.min(block.end, run.first + run.count); ordinal < end; ordinal++) {
          const size = index.size(ordinal)
          if (at + size > from && at < until && first < 0) {
            first = ordinal
            start = at
          }
          if (at >= until) break
          at += size
        }
        if (first < 0) {
          if (at >= until) return
          continue
        }
        const skipBytes = Math.max(0, from - start)
        yield { segment, index, block, first, end: ordinal, skipBytes, takeBytes: Math.min(at, until) - start - skipBytes }
        if (at >= until) return
      }
    }
  }

  /** A segment's index, checked; kept while it is used. */
  async index(segment: SegmentPlace): Promise<SegmentIndex> {
    const kept = this.#indexes.get(segment.uuid)
    if (kept !== undefined) {
      this.#indexes.delete(segment.uuid)
      this.#indexes.set(segment.uuid, kept)
      return kept
    }
    const bytes = await this.#bytes(segment, segment.sizeBytes - segment.indexBytes, segment.indexBytes)
    const index = named(segment, () => new SegmentIndex(bytes))
    this.#indexes.set(segment.uuid, index)
    this.#indexBytes += index.heldBytes
    for (const [uuid, old] of this.#indexes) {
      if (this.#indexBytes <= indexCacheBytes || old === index) break
      this.#indexes.delete(uuid)
      this.#indexBytes -= old.heldBytes
    }
    return index
  }

  /** Those chunks of a segment that are wanted, of `count` from `first` on, checked; good until the next one is asked for. */
  async *chunksOf(
    segment: SegmentPlace,
    first: number,
    count: number,
    isWanted: (ordinal: number) => boolean,
  ): AsyncGenerator<StoredChunk, void, undefined> {
    const index = await this.index(segment)
    for (let ordinal = first; ordinal < first + count; ) {
      const block = index.blockOf(ordinal)
      const end = Math.min(block.end, first + count)
      while (ordinal < end && !isWanted(ordinal)) ordinal++
      if (ordinal === end) continue
      const bytes = await this.#blockBytes(segment, block)
      let at = 0
      for (let before = block.first; before < ordinal; before++) at += index.size(before)
      for (; ordinal < end; ordinal++) {
        const chunk = bytes.subarray(at, at + index.size(ordinal))
        at += chunk.length
        if (!isWanted(ordinal)) continue
        assertChunk(segment, index, ordinal, chunk)
        yield { ordinal, hash: index.hash(ordinal), bytes: chunk }
      }
    }
  }

  async #blockBytes(segment: SegmentPlace, block: BlockPlace): Promise<Uint8Array> {
    const kept = this.#blocks.get(blockName(segment, block))
    return kept ?? this.#inflated(segment, block, await this.#bytes(segment, block.offset, block.storedBytes))
  }

  async #fetch({ segment, block }: Stretch): Promise<HeldBlock> {
    const inflated = this.#blocks.get(blockName(segment, block))
    if (inflated !== undefined) return { inflated, stored: null }
    return { inflated: null, stored: await this.#bytes(segment, block.offset, block.storedBytes) }
  }

  /** What is wanted of a stretch, the taker's own. */
  #checked(stretch: Stretch, held: HeldBlock): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#checkedView(stretch, held.inflated ?? this.#inflated(stretch.segment, stretch.block, held.stored)))
  }

  /** The same within the block's bytes. Its chunks have the hashes that the index says. */
  #checkedView({ segment, index, block, first, end, skipBytes, takeBytes }: Stretch, bytes: Uint8Array): Uint8Array {
    let at = 0
    for (let ordinal = block.first; ordinal < first; ordinal++) at += index.size(ordinal)
    const start = at
    for (let ordinal = first; ordinal < end; ordinal++) {
      const size = index.size(ordinal)
      assertChunk(segment, index, ordinal, bytes.subarray(at, at + size))
      at += size
    }
    return bytes.subarray(start + skipBytes, start + skipBytes + takeBytes)
  }

  #inflated(segment: SegmentPlace, block: BlockPlace, stored: Uint8Array): Uint8Array {
    const name = blockName(segment, block)
    // it may have come while this one was read
    const kept = this.#blocks.get(name)
    if (kept !== undefined) return kept
    const bytes = named(segment, () => inflateBlock(block, stored))
    this.#blocks.set(name, bytes)
    for (const oldest of this.#blocks.keys()) {
      if (this.#blocks.size <= keptBlocks) break
      this.#blocks.delete(oldest)
    }
    return bytes
  }

  #bytes(segment: SegmentPlace, offset: number, sizeBytes: number): Uint8Array | Promise<Uint8Array> {
    if (segment.tail !== null) return segment.tail.subarray(offset, offset + sizeBytes)
    return this.#reader.read(segmentKey(segment.uuid), segment.sizeBytes, offset, sizeBytes)
  }
}

function assertChunk(segment: SegmentPlace, index: SegmentIndex, ordinal: number, bytes: Uint8Array): void {
  if (equalBytes(hash('sha256', bytes, 'buffer'), index.hash(ordinal))) return
  throw new CorruptError('chunk', `chunk ${ordinal} of ${segmentKey(segment.uuid)} is not what its hash says`)
}

function misfit(): CorruptError {
  return new CorruptError('recipe', 'the recipe of stored content does not fit its segments')
}

/** A block's chunks. CorruptError 'block'. */
export function inflateBlock(block: BlockPlace, stored: Uint8Array): Uint8Array {
  assertStored(block, stored)
  // a copy where it isn't packed: what the cache gave is a view of a larger piece of it
  const bytes = block.codec === Codec.raw ? new Uint8Array(stored) : inflate(block, stored)
  if (bytes.length !== block.sizeBytes) throw new CorruptError('block', `block ${block.number} of a segment has a wrong size`)
  return bytes
}

function inflate(block: BlockPlace, stored: Uint8Array): Uint8Array {
  if (block.codec !== Codec.zstd) throw new CorruptError('block', `block ${block.number} of a segment has an unknown codec`)
  try {
    return zstdDecompressSync(stored, { maxOutputLength: block.sizeBytes, chunkSize: Math.max(64, block.sizeBytes) })
  } catch (cause) {
    throw new CorruptError('block', `block ${block.number} of a segment can't be inflated`, { cause })
  }
}

function blockName(segment: SegmentPlace, block: BlockPlace): string {
  return `${segment.uuid} ${block.number}`
}

/** What it makes; errors about a segment say which one it is. */
function named<T>(segment: SegmentPlace, make: () => T): T {
  try {
    return make()
  } catch (error) {
    if (!(error instanceof CorruptError)) throw error
    throw new CorruptError(error.code, `${segmentKey(segment.uuid)}: ${error.message}`, { cause: error })
  }
}
