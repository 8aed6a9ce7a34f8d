// A stored pack's index: sections, directory and trailer behind the pack's bytes. docs/design/pack-key.md gives every byte.
// Read through typed arrays over the loaded bytes, so loading costs no decoding. Pure.
import { createHash } from 'node:crypto'
import { asBuffer, CorruptError, equalBytes } from '../../base/index.ts'
import { hashBytes, type Kind, type ObjectFormat } from './object-id.ts'

const magic = 'STEMPACK'
const version = 1
const directoryEntryBytes = 24
const none = 0xffffffff
const largeOffset = 0x80000000

export const storedPackTrailerBytes = 72
/** KIND bits beside the object's kind. */
export const deltaBit = 8
export const appendedBit = 16

/** What the index of a pack is made from: everything in position order (ascending ids). */
export interface PackIndexParts {
  readonly format: ObjectFormat
  readonly packBytes: number
  readonly oids: Uint8Array
  readonly offsets: Float64Array
  readonly crcs: Uint32Array
  readonly kinds: Uint8Array
  readonly sizes: Float64Array
  readonly bases: Uint32Array
  readonly sources: Uint8Array
  readonly externals: Uint8Array
}

/** Where the index begins in a value whose pack is that long. */
export function indexStart(packBytes: number): number {
  return Math.ceil(packBytes / 8) * 8
}

function littleEndian32(values: Uint32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
}

function encodeOffsets(offsets: Float64Array): { small: Uint32Array; large: BigUint64Array } {
  const small = new Uint32Array(offsets.length)
  const large: bigint[] = []
  for (let i = 0; i < offsets.length; i++) {
    const offset = offsets[i] as number
    if (offset < largeOffset) small[i] = offset
    else small[i] = largeOffset + large.push(BigInt(offset)) - 1
  }
  return { small, large: new BigUint64Array(large) }
}

function encodeSizes(sizes: Float64Array): { small: Uint32Array; large: BigUint64Array } {
  const small = new Uint32Array(sizes.length)
  const large: bigint[] = []
  for (let i = 0; i < sizes.length; i++) {
    const size = sizes[i] as number
    if (size < none) small[i] = size
    else {
      small[i] = none
      large.push(BigInt(i), BigInt(size))
    }
  }
  return { small, large: new BigUint64Array(large) }
}

/** Everything that follows the pack's bytes in the stored value: padding, sections, directory, trailer. */
export function encodePackIndex(parts: PackIndexParts): Uint8Array {
  const offsets = encodeOffsets(parts.offsets)
  const sizes = encodeSizes(parts.sizes)
  const sections: [string, Uint8Array][] = [
    ['OIDS', parts.oids],
    ['OFFS', littleEndian32(offsets.small)],
    ['LOFS', new Uint8Array(offsets.large.buffer)],
    ['CRCS', littleEndian32(parts.crcs)],
    ['KIND', parts.kinds],
    ['SIZE', littleEndian32(sizes.small)],
    ['LSIZ', new Uint8Array(sizes.large.buffer)],
    ['BASE', littleEndian32(parts.bases)],
    ['SRCS', parts.sources],
    ['EXTS', parts.externals],
  ]
  const start = indexStart(parts.packBytes)
  const padBytes = start - parts.packBytes
  let sizeBytes = padBytes
  for (const [, bytes] of sections) sizeBytes += Math.ceil(bytes.length / 8) * 8
  const directoryAt = sizeBytes
  sizeBytes += sections.length * directoryEntryBytes + storedPackTrailerBytes
  // begins in its buffer so that the sections stand at multiples of 8 there too: a PackIndex can read them where they are
  const start8 = (8 - (padBytes % 8)) % 8
  const out = Buffer.from(new ArrayBuffer(start8 + sizeBytes), start8)
  let at = padBytes
  let entryAt = directoryAt
  for (const [name, bytes] of sections) {
    out.set(bytes, at)
    out.write(name, entryAt, 'latin1')
    out.writeBigUInt64LE(BigInt(parts.packBytes + at), entryAt + 8)
    out.writeBigUInt64LE(BigInt(bytes.length), entryAt + 16)
    at += Math.ceil(bytes.length / 8) * 8
    entryAt += directoryEntryBytes
  }
  out.write(magic, entryAt, 'latin1')
  out.writeUInt32LE(version, entryAt + 8)
  out.writeUInt32LE(hashBytes(parts.format), entryAt + 12)
  out.writeBigUInt64LE(BigInt(parts.kinds.length), entryAt + 16)
  out.writeBigUInt64LE(BigInt(parts.packBytes), entryAt + 24)
  out.writeUInt32LE(sections.length, entryAt + 32)
  createHash('sha256')
    .update(out.subarray(padBytes, entryAt + 40))
    .digest()
    .copy(out, entryAt + 40)
  return out
}

/** What the last 72 bytes of a stored value say. */
export interface StoredPackTrailer {
  readonly format: ObjectFormat
  readonly count: number
  readonly packBytes: number
  readonly sections: number
  readonly sha256: Uint8Array
}

/** Reads the trailer; CorruptError when these are not the last bytes of a stored pack of a version that we know. */
export function decodeStoredPackTrailer(bytes: Uint8Array): StoredPackTrailer {
  const at = bytes.length - storedPackTrailerBytes
  const buffer = asBuffer(bytes)
  if (at < 0 || buffer.toString('latin1', at, at + 8) !== magic) {
    throw new CorruptError('stored-pack', 'the value does not end as a stored pack does')
  }
  if (buffer.readUInt32LE(at + 8) !== version) {
    throw new CorruptError('stored-pack', `stored-pack version ${buffer.readUInt32LE(at + 8)} is not known to this server`)
  }
  const h = buffer.readUInt32LE(at + 12)
  if (h !== 20 && h !== 32) throw new CorruptError('stored-pack', `object ids of ${h} bytes`)
  return {
    format: h === 20 ? 'sha1' : 'sha256',
    count: Number(buffer.readBigUInt64LE(at + 16)),
    packBytes: Number(buffer.readBigUInt64LE(at + 24)),
    sections: buffer.readUInt32LE(at + 32),
    sha256: bytes.subarray(at + 40, at + 72),
  }
}

/** Bytes of the sections' directory and trailer, from the value's end, when it has that many sections. */
export function directoryBytes(sections: number): number {
  return sections * directoryEntryBytes + storedPackTrailerBytes
}

/** The index of one stored pack, read in place. Positions are 0 … count−1 in ascending id order. */
export class PackIndex {
  readonly format: ObjectFormat
  readonly count: number
  readonly packBytes: number
  readonly sources: Uint8Array
  readonly externals: Uint8Array
  readonly #h: number
  readonly #oids: Uint8Array
  readonly #offsets: Uint32Array
  readonly #largeOffsets: BigUint64Array
  readonly #crcs: Uint32Array
  readonly #kinds: Uint8Array
  readonly #sizes: Uint32Array
  readonly #largeSizes: BigUint64Array
  readonly #bases: Uint32Array
  readonly #fanout: Uint32Array
  #order: Uint32Array | undefined
  #rank: Uint32Array | undefined

  /**
   * @param bytes from `from` in the value to its end; `from` is a multiple of 8 and the array starts at a multiple of 8 of its buffer
   * @throws CorruptError when the bytes are not a whole stored-pack index
   */
  constructor(bytes: Uint8Array, from: number) {
    const trailer = decodeStoredPackTrailer(bytes)
    const sections = readDirectory(bytes, from, trailer.sections)
    this.format = trailer.format
    this.count = trailer.count
    this.packBytes = trailer.packBytes
    this.#h = hashBytes(trailer.format)
    const n = trailer.count
    const section = (name: string, sizeBytes?: number): Uint8Array => {
      const found = sections.get(name)
      if (!found || (sizeBytes !== undefined && found.length !== sizeBytes)) {
        throw new CorruptError('stored-pack', `section ${name} of a stored pack is missing or has a wrong size`)
      }
      return found
    }
    const words = (b: Uint8Array) => new Uint32Array(b.buffer, b.byteOffset, b.length / 4)
    const longs = (b: Uint8Array) => new BigUint64Array(b.buffer, b.byteOffset, b.length / 8)
    this.#oids = section('OIDS', n * this.#h)
    this.#offsets = words(section('OFFS', n * 4))
    this.#largeOffsets = longs(section('LOFS'))
    this.#crcs = words(section('CRCS', n * 4))
    this.#kinds = section('KIND', n)
    this.#sizes = words(section('SIZE', n * 4))
    this.#largeSizes = longs(section('LSIZ'))
    this.#bases = words(section('BASE', n * 4))
    this.sources = section('SRCS')
    this.externals = section('EXTS')
    this.#fanout = fanout(this.#oids, n, this.#h)
  }

  /** The position of the id that starts at `at` in `oids`, or −1. */
  find(oids: Uint8Array, at: number): number {
    const first = oids[at] as number
    let low = this.#fanout[first] as number
    let high = this.#fanout[first + 1] as number
    const own = this.#oids
    const h = this.#h
    while (low < high) {
      const middle = (low + high) >>> 1
      const start = middle * h
      let k = 1
      while (k < h && own[start + k] === oids[at + k]) k++
      if (k === h) return middle
      if ((own[start + k] as number) < (oids[at + k] as number)) low = middle + 1
      else high = middle
    }
    return -1
  }

  /** A view (no copy) of the id at that position. */
  oid(position: number): Uint8Array {
    return this.#oids.subarray(position * this.#h, (position + 1) * this.#h)
  }

  kind(position: number): Kind {
    return ((this.#kinds[position] as number) & 7) as Kind
  }

  /** True for a base that was appended to complete a thin pack: another pack holds it too. */
  isAppended(position: number): boolean {
    return ((this.#kinds[position] as number) & appendedBit) !== 0
  }

  /** Bytes of the whole object, inflated and undeltified. */
  sizeBytes(position: number): number {
    const size = this.#sizes[position] as number
    if (size !== none) return size
    for (let i = 0; i < this.#largeSizes.length; i += 2) {
      if (Number(this.#largeSizes[i]) === position) return Number(this.#largeSizes[i + 1])
    }
    throw new CorruptError('stored-pack', 'a large size is missing')
  }

  /** Where the entry starts in the pack. */
  offset(position: number): number {
    const offset = this.#offsets[position] as number
    return offset < largeOffset ? offset : Number(this.#largeOffsets[offset - largeOffset])
  }

  /** Where the entry ends: the next entry's offset, or the pack's trailer. */
  end(position: number): number {
    const rank = this.rank(position)
    return rank + 1 < this.count ? this.offset(this.order()[rank + 1] as number) : this.packBytes - this.#h
  }

  /** CRC-32 of the entry as stored. */
  crc(position: number): number {
    return this.#crcs[position] as number
  }

  /** Position of the delta base, or −1 for a whole object. */
  base(position: number): number {
    const base = this.#bases[position] as number
    return base === none ? -1 : base
  }

  /** Positions in the order of their entries in the pack. */
  order(): Uint32Array {
    if (!this.#order) {
      this.#order = orderByOffset(
        Float64Array.from({ length: this.count }, (_, i) => this.offset(i)),
        this.packBytes,
      )
    }
    return this.#order
  }

  /** The place of the entry in the pack: 0 for the first. */
  rank(position: number): number {
    if (!this.#rank) {
      const order = this.order()
      this.#rank = new Uint32Array(this.count)
      for (let i = 0; i < order.length; i++) this.#rank[order[i] as number] = i
    }
    return this.#rank[position] as number
  }
}

function orderByOffset(offsets: Float64Array, packBytes: number): Uint32Array {
  const n = offsets.length
  if (packBytes * n < Number.MAX_SAFE_INTEGER) {
    // offset and position in one number: the native numeric sort is several times faster than one with a comparator
    const keys = offsets.map((offset, i) => offset * n + i).sort()
    return Uint32Array.from(keys, (key) => key % n)
  }
  return Uint32Array.from({ length: n }, (_, i) => i).sort((a, b) => (offsets[a] as number) - (offsets[b] as number))
}

function readDirectory(bytes: Uint8Array, from: number, count: number): Map<string, Uint8Array> {
  const buffer = asBuffer(bytes)
  const directoryAt = bytes.length - directoryBytes(count)
  const sections = new Map<string, Uint8Array>()
  for (let i = 0; i < count; i++) {
    const at = directoryAt + i * directoryEntryBytes
    if (at < 0) throw new CorruptError('stored-pack', 'the directory of a stored pack is cut off')
    const start = Number(buffer.readBigUInt64LE(at + 8)) - from
    const sizeBytes = Number(buffer.readBigUInt64LE(at + 16))
    if (start < 0 || start % 8 !== 0 || start + sizeBytes > directoryAt) {
      throw new CorruptError('stored-pack', 'a section of a stored pack lies outside its index')
    }
    sections.set(buffer.toString('latin1', at, at + 4), bytes.subarray(start, start + sizeBytes))
  }
  return sections
}

/** For each first byte, the position of the first id that has at least that byte. */
function fanout(oids: Uint8Array, count: number, h: number): Uint32Array {
  const table = new Uint32Array(257)
  for (let i = 0; i < count; i++) {
    const byte = oids[i * h] as number
    table[byte + 1] = (table[byte + 1] as number) + 1
  }
  for (let i = 1; i <= 256; i++) table[i] = (table[i] as number) + (table[i - 1] as number)
  return table
}

/** CorruptError unless the index's own hash is right. Costs one SHA-256 over it: at load, not at each look-up. */
export function assertIndexHash(bytes: Uint8Array, packBytes: number, from: number): void {
  const trailer = decodeStoredPackTrailer(bytes)
  const body = bytes.subarray(indexStart(packBytes) - from, bytes.length - 32)
  if (!equalBytes(createHash('sha256').update(body).digest(), trailer.sha256)) {
    throw new CorruptError('stored-pack', 'the index of a stored pack does not have the hash that its trailer names')
  }
}
