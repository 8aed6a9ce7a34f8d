// A segment: blocks of chunks, and behind them the index that says where everything is. docs/design/content-store.md gives every byte. Pure.
import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { asBuffer, CorruptError, decodeSections, encodeSections, equalBytes, sectionOf, wordsOf } from '../../base/index.ts'
import { encodePortable, type PortableRecipe } from './recipe.ts'
import { encodeForms } from './forms.ts'

export const Codec = { raw: 0, zstd: 1 } as const

/** A block as it is stored: neighbouring chunks, compressed together where that pays. */
export interface Block {
  readonly stored: Uint8Array
  readonly codec: number
  readonly sizeBytes: number
  readonly crc: number
  /** SHA-256 of its chunks, one behind the other, and their sizes. */
  readonly hashes: Uint8Array
  readonly sizes: Uint32Array
}

/** Chunks that compaction brought here: `count` of them from `uuid`, which stood there from `first` on and stand here from `here` on. */
export interface Move {
  readonly uuid: Uint8Array
  readonly first: number
  readonly count: number
  readonly here: number
}

/** Where a block stands and what is in it. */
export interface BlockPlace {
  readonly number: number
  readonly offset: number
  readonly storedBytes: number
  readonly sizeBytes: number
  readonly crc: number
  readonly codec: number
  /** Its chunks: `first` … `end − 1`. */
  readonly first: number
  readonly end: number
}

const magic = 'STEMSEGM'
const version = 1
export const trailerBytes = 64
const blockWords = 6

/** All that stands behind the blocks, which are in the value's first `blockBytes` bytes one behind the other. */
export function encodeIndex(
  blocks: readonly Omit<Block, 'stored'>[],
  storedBytes: readonly number[],
  contents: readonly PortableRecipe[],
  moves: readonly Move[],
  forms: readonly Uint8Array[] = [],
): Uint8Array {
  const places = new Uint32Array(blocks.length * blockWords)
  let offset = 0
  let chunks = 0
  blocks.forEach((block, number) => {
    const stored = storedBytes[number] as number
    places.set([offset, stored, block.sizeBytes, block.crc, chunks, block.codec], number * blockWords)
    offset += stored
    chunks += block.sizes.length
  })
  const hashes = new Uint8Array(chunks * 32)
  const sizes = new Uint32Array(chunks)
  let at = 0
  for (const block of blocks) {
    hashes.set(block.hashes, at * 32)
    sizes.set(block.sizes, at)
    at += block.sizes.length
  }
  const sections = [
    ['BLKS', bytesOf(places)],
    ['HASH', hashes],
    ['SIZE', bytesOf(sizes)],
    ['CONT', encodePortable(contents)],
    ['MOVE', encodeMoves(moves)],
    ...(forms.length > 0 ? [['OPEN', encodeForms(forms)] as const] : []),
  ] as const
  const { bytes, trailerAt } = encodeSections(sections, offset, trailerBytes)
  bytes.write(magic, trailerAt, 'latin1')
  bytes.writeUInt32LE(version, trailerAt + 8)
  bytes.writeUInt32LE(blocks.length, trailerAt + 12)
  bytes.writeUInt32LE(chunks, trailerAt + 16)
  bytes.writeUInt32LE(sections.length, trailerAt + 20)
  bytes.writeBigUInt64LE(BigInt(offset), trailerAt + 24)
  bytes.set(
    createHash('sha256')
      .update(bytes.subarray(0, trailerAt + 32))
      .digest(),
    trailerAt + 32,
  )
  return bytes
}

function encodeMoves(moves: readonly Move[]): Uint8Array {
  const bytes = Buffer.alloc(moves.length * 32)
  moves.forEach((move, at) => {
    bytes.set(move.uuid, at * 32)
    bytes.writeUInt32LE(move.first, at * 32 + 16)
    bytes.writeUInt32LE(move.count, at * 32 + 20)
    bytes.writeUInt32LE(move.here, at * 32 + 24)
  })
  return bytes
}

/** What `MOVE` holds. */
export function decodeMoves(section: Uint8Array): Move[] {
  const buffer = asBuffer(section)
  return Array.from({ length: Math.floor(section.length / 32) }, (_, n) => ({
    uuid: section.subarray(n * 32, n * 32 + 16),
    first: buffer.readUInt32LE(n * 32 + 16),
    count: buffer.readUInt32LE(n * 32 + 20),
    here: buffer.readUInt32LE(n * 32 + 24),
  }))
}

function bytesOf(words: Uint32Array): Uint8Array {
  return new Uint8Array(words.buffer, words.byteOffset, words.byteLength)
}

/** Where the index begins, out of the value's last `trailerBytes`: for whoever has no row. CorruptError 'segment-index'. */
export function indexStart(trailer: Uint8Array): number {
  const buffer = asBuffer(trailer)
  if (trailer.length !== trailerBytes || buffer.toString('latin1', 0, 8) !== magic) throw damaged('has no trailer')
  return Number(buffer.readBigUInt64LE(24))
}

/** A segment's index, loaded: read through typed arrays in place. */
export class SegmentIndex {
  readonly chunkCount: number
  readonly blockCount: number
  readonly #places: Uint32Array
  readonly #hashes: Uint8Array
  readonly #sizes: Uint32Array
  readonly #sections: ReadonlyMap<string, Uint8Array>

  /**
   * @param bytes the value's end, from where its blocks end
   * @throws CorruptError 'segment-index' when it isn't what was written
   */
  constructor(bytes: Uint8Array) {
    // typed arrays want their place: the first section is at a multiple of 8 of the value, wherever these bytes lie
    const trailerAt = bytes.length - trailerBytes
    if (trailerAt < 0) throw damaged('is too short')
    const from = indexStart(bytes.subarray(trailerAt))
    const sum = createHash('sha256')
      .update(bytes.subarray(0, trailerAt + 32))
      .digest()
    if (!equalBytes(sum, bytes.subarray(trailerAt + 32))) throw damaged('has a wrong hash')
    const trailer = asBuffer(bytes.subarray(trailerAt))
    if (trailer.readUInt32LE(8) !== version) throw damaged(`has version ${trailer.readUInt32LE(8)}, which this server doesn't know`)
    this.blockCount = trailer.readUInt32LE(12)
    this.chunkCount = trailer.readUInt32LE(16)
    const aligned = new Uint8Array(bytes.length + 8)
    const skipped = from % 8
    aligned.set(bytes, skipped)
    this.#sections = decodeSections(aligned.subarray(0, skipped + bytes.length), from - skipped, trailer.readUInt32LE(20), trailerBytes)
    this.#places = wordsOf(this.#sections, 'BLKS', this.blockCount * blockWords)
    this.#hashes = sectionOf(this.#sections, 'HASH', this.chunkCount * 32)
    this.#sizes = wordsOf(this.#sections, 'SIZE', this.chunkCount)
  }

  hash(ordinal: number): Uint8Array {
    return this.#hashes.subarray(ordinal * 32, ordinal * 32 + 32)
  }

  /** Of all chunks, by ordinal: 32 bytes each. */
  get hashes(): Uint8Array {
    return this.#hashes
  }

  size(ordinal: number): number {
    const size = this.#sizes[ordinal]
    if (size === undefined) throw damaged(`has no chunk ${ordinal}`)
    return size
  }

  /** The block that a chunk is in. CorruptError when the segment has no such chunk. */
  blockOf(ordinal: number): BlockPlace {
    if (!(ordinal >= 0 && ordinal < this.chunkCount)) throw damaged(`has no chunk ${ordinal}`)
    let low = 0
    let high = this.blockCount - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if ((this.#places[middle * blockWords + 4] as number) <= ordinal) low = middle
      else high = middle - 1
    }
    return this.block(low)
  }

  block(number: number): BlockPlace {
    const words = this.#places.subarray(number * blockWords, (number + 1) * blockWords)
    const [offset = 0, storedBytes = 0, sizeBytes = 0, crc = 0, first = 0, codec = 0] = words
    const end = number + 1 < this.blockCount ? (this.#places[(number + 1) * blockWords + 4] as number) : this.chunkCount
    return { number, offset, storedBytes, sizeBytes, crc, codec, first, end }
  }

  /** `CONT`, `MOVE` and `OPEN` as they stand, for making rows again; empty where the segment has none. */
  section(name: 'CONT' | 'MOVE' | 'OPEN'): Uint8Array {
    return this.#sections.get(name) ?? new Uint8Array()
  }

  /** About what it holds in memory. */
  get heldBytes(): number {
    return this.chunkCount * 36 + this.blockCount * 24 + 512
  }
}

/** CorruptError 'block' when the stored bytes aren't those that were written. */
export function assertStored(place: BlockPlace, stored: Uint8Array): void {
  if (stored.length !== place.storedBytes || crc32(stored) !== place.crc) {
    throw new CorruptError('block', `block ${place.number} of a segment is damaged`)
  }
}

function damaged(what: string): CorruptError {
  return new CorruptError('segment-index', `the index of a segment ${what}`)
}
