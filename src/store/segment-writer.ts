// One segment on its way into the bucket: intent row → a file that grows and is sent meanwhile → complete. It counts when a transaction says so.
import { existsSync } from 'node:fs'
import { type FileHandle, open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { asBuffer, concatBytes, fromHex, type Randomness, remakeSpool, spoolError } from '../base/index.ts'
import { type Bucket, type FileUpload, type Key, segmentKey } from '../bucket/index.ts'
import { type Database, sql } from '../db/index.ts'
import type { PortableRecipe } from './format/recipe.ts'
import { type Block, encodeIndex, type Move } from './format/segment.ts'
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
const intentHours = 24

/** What is known of a block that has been written. */
type Written = Omit<Block, 'stored'>

export class SegmentWriter {
  readonly uuid: string
  readonly #parts: SegmentParts
  readonly #key: Key
  readonly #path: string
  readonly #file: FileHandle
  readonly #upload: FileUpload
  readonly #blocks: Written[] = []
  readonly #storedBytes: number[] = []
  #sizeBytes = 0
  /** A request that nobody answered may be carried out later than all that follows it. */
  #mayComeLater = false

  private constructor(parts: SegmentParts, uuid: string, path: string, file: FileHandle) {
    this.#parts = parts
    this.uuid = uuid
    this.#key = segmentKey(uuid)
    this.#path = path
    this.#file = file
    this.#upload = parts.bucket.uploadFile(this.#key, path)
  }

  static async begin(parts: SegmentParts): Promise<SegmentWriter> {
    const { bucket, randomness } = parts
    const uuid = randomness.uuid()
    const folder = bucket.spoolFolder
    await insertIntent(parts.db, segmentKey(uuid))
    if (!existsSync(folder)) await remakeSpool(folder)
    const path = join(folder, `${uuid}.segment`)
    const file = await open(path, 'wx', 0o600).catch((error: unknown) => {
      throw spoolError(error, folder)
    })
    return new SegmentWriter(parts, uuid, path, file)
  }

  /** Bytes of its blocks. */
  get sizeBytes(): number {
    return this.#sizeBytes
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
    await this.#write(stored)
    this.#upload.advance(this.#sizeBytes)
  }

  /** Writes the index, and waits until all is durable. Ends the writer, also when it fails. */
  async complete(contents: readonly PortableRecipe[], moves: readonly Move[] = []): Promise<StagedSegment> {
    try {
      const index = encodeIndex(this.#blocks, this.#storedBytes, contents, moves)
      await this.#write(index)
      await this.#file.close()
      this.#mayComeLater = true
      await this.#upload.complete(this.#sizeBytes)
      return { uuid: this.uuid, tail: null, sizeBytes: this.#sizeBytes, indexBytes: index.length, ...chunksOf(this.#blocks) }
    } catch (error) {
      await this.abort()
      throw error
    }
  }

  /** Gives it up; never throws. */
  async abort(): Promise<void> {
    await this.#file.close().catch(() => {})
    await this.#upload.abort()
    await rm(this.#path, { force: true }).catch(() => {})
    await discardSegment(this.#parts, this.uuid, this.#mayComeLater)
  }

  async #write(bytes: Uint8Array): Promise<void> {
    try {
      // written in full, or thrown
      await this.#file.writeFile(bytes)
    } catch (error) {
      throw spoolError(error, this.#parts.bucket.spoolFolder)
    }
    this.#sizeBytes += bytes.length
  }
}

/** Blocks that are in memory, as a segment of their own: a tail where it is small, else with one PUT. */
export async function storeBlocks(
  parts: SegmentParts,
  uuid: string,
  blocks: readonly Block[],
  contents: readonly PortableRecipe[],
  moves: readonly Move[] = [],
): Promise<StagedSegment> {
  const stored = blocks.map((block) => block.stored)
  const index = encodeIndex(
    blocks,
    stored.map((bytes) => bytes.length),
    contents,
    moves,
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

/** A staged segment that nothing needs: its key goes now if the bucket answers, else by the sweeper, who looks again where it may come later. */
export async function discardSegment({ db, bucket }: SegmentParts, uuid: string, mayComeLater = false): Promise<void> {
  const key = segmentKey(uuid)
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

async function insertIntent(db: Database, key: Key): Promise<void> {
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
