// One segment on its way into the bucket: intent row → a file that grows and is sent meanwhile → complete. It counts when a transaction says so.
import { asBuffer, concatBytes, fromHex, type Randomness } from '../base/index.ts'
import { type Bucket, type Key, segmentKey } from '../bucket/index.ts'
import { type Database, sql } from '../db/index.ts'
import type { PortableRecipe } from './format/recipe.ts'
import { type Block, encodeIndex, type Move } from './format/segment.ts'
import { SpooledValue } from './spooled-value.ts'
import { tailBytes } from './sizes.ts'

export interface SegmentParts {
  readonly db: Database
  readonly bucket: Bucket
  readonly randomness: Randomness
}

/** A segment whose bytes are durable, or stand here (`tail`), and which no row names yet. */
export interface StagedSegment {
  readonly uuid: string
  readonly tail: Uint8Array | null
  readonly sizeBytes: number
  readonly indexBytes: number
  /** SHA-256 of its chunks, by ordinal, and their sizes. */
  readonly hashes: Uint8Array
  readonly sizes: Uint32Array
}

/** A put that takes longer is nobody's any more: its keys are swept. */
export const intentHours = 24

/** What is known of a block that has been written. */
type Written = Omit<Block, 'stored'>

export class SegmentWriter {
  readonly uuid: string
  readonly #parts: SegmentParts
  readonly #value: SpooledValue
  readonly #blocks: Written[] = []
  readonly #storedBytes: number[] = []

  private constructor(parts: SegmentParts, uuid: string, value: SpooledValue) {
    this.#parts = parts
    this.uuid = uuid
    this.#value = value
  }

  static async begin(parts: SegmentParts): Promise<SegmentWriter> {
    const uuid = parts.randomness.uuid()
    await insertIntent(parts.db, segmentKey(uuid))
    return new SegmentWriter(parts, uuid, await SpooledValue.begin(parts.bucket, segmentKey(uuid), `${uuid}.segment`))
  }

  /** Bytes of its blocks. */
  get sizeBytes(): number {
    return this.#value.sizeBytes
  }

  /** Bytes of its chunks, by ordinal. */
  get sizes(): Uint32Array {
    return chunksOf(this.#blocks).sizes
  }

  /** One at a time. */
  async append(block: Block): Promise<void> {
    const { stored, ...written } = block
    this.#blocks.push(written)
    this.#storedBytes.push(stored.length)
    await this.#value.write(stored)
    this.#value.advance()
  }

  /** Writes the index, and waits until all is durable. Ends the writer, also when it fails. */
  async complete(
    contents: readonly PortableRecipe[],
    moves: readonly Move[] = [],
    forms: readonly Uint8Array[] = [],
  ): Promise<StagedSegment> {
    try {
      const index = encodeIndex(this.#blocks, this.#storedBytes, contents, moves, forms)
      await this.#value.write(index)
      await this.#value.complete()
      return { uuid: this.uuid, tail: null, sizeBytes: this.#value.sizeBytes, indexBytes: index.length, ...chunksOf(this.#blocks) }
    } catch (error) {
      await this.abort()
      throw error
    }
  }

  /** Gives it up; never throws. */
  async abort(): Promise<void> {
    await this.#value.abort()
    await discardKey(this.#parts, segmentKey(this.uuid), this.#value.mayComeLater)
  }
}

/** Blocks that are in memory, as a segment of their own: a tail where it is small, else with one PUT. */
export async function storeBlocks(
  parts: SegmentParts,
  uuid: string,
  blocks: readonly Block[],
  contents: readonly PortableRecipe[],
  forms: readonly Uint8Array[] = [],
): Promise<StagedSegment> {
  const stored = blocks.map((block) => block.stored)
  const index = encodeIndex(
    blocks,
    stored.map((bytes) => bytes.length),
    contents,
    [],
    forms,
  )
  const value = concatBytes([...stored, index])
  const isTail = value.length <= tailBytes
  if (!isTail) {
    await insertIntent(parts.db, segmentKey(uuid))
    try {
      await parts.bucket.put(segmentKey(uuid), value)
    } catch (error) {
      await discardSegment(parts, uuid, true)
      throw error
    }
  }
  return { uuid, tail: isTail ? value : null, sizeBytes: value.length, indexBytes: index.length, ...chunksOf(blocks) }
}

/** A staged segment that nothing needs. */
export async function discardSegment(parts: SegmentParts, uuid: string, mayComeLater = false): Promise<void> {
  await discardKey(parts, segmentKey(uuid), mayComeLater)
}

/** What has an intent row and isn't needed: its key goes now if the bucket answers, else by the sweeper, who looks again where it may come later. Never throws. */
export async function discardKey({ db, bucket }: SegmentParts, key: Key, mayComeLater: boolean): Promise<void> {
  try {
    await bucket.delete(key)
    if (mayComeLater) return
    await db.queries.deleteFrom('upload_intent').where('key', '=', key).execute()
  } catch {
    // the intent row stays, and the sweeper deletes the key when the lease is over
  }
}

/** The 16 bytes of a UUID. */
export function uuidBytes(uuid: string): Uint8Array {
  return fromHex(uuid.replaceAll('-', ''))
}

/** The text of a UUID's 16 bytes. */
export function uuidText(bytes: Uint8Array): string {
  return asBuffer(bytes)
    .toString('hex')
    .replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

/** Comes before a key's first byte. */
export async function insertIntent(db: Database, key: Key): Promise<void> {
  await db.queries
    .insertInto('upload_intent')
    .values({ key, expires_at: sql<Date>`now() + ${intentHours} * interval '1 hour'` })
    .execute()
}

function chunksOf(blocks: readonly Written[]): { hashes: Uint8Array; sizes: Uint32Array } {
  const hashes = concatBytes(blocks.map((block) => block.hashes))
  const sizes = new Uint32Array(hashes.length / 32)
  let at = 0
  for (const block of blocks) {
    sizes.set(block.sizes, at)
    at += block.sizes.length
  }
  return { hashes, sizes }
}
