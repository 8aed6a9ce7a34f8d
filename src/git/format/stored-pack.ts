// A stored pack's index: sections, directory and trailer behind the pack's bytes. docs/design/pack-key.md gives every byte.
// Read through typed arrays over the loaded bytes, so loading costs no decoding. Pure.
import { createHash } from 'node:crypto'
import { asBuffer, CorruptError, decodeSections, encodeSections, equalBytes, sectionOf, wordsOf } from '../../base/index.ts'
import { hashBytes, type Kind, type ObjectFormat } from './object-id.ts'
import { decodeChecks, encodeChecks, makeChecks, type PackChecks } from './pack-checks.ts'
import { orderByOffset } from './order-by-offset.ts'

const magic = 'STEMPACK'
/** Of a pack whose deltas all rest on its own entries, and of one with bases outside: a reader that doesn't know of those must not read it. */
const ownBases = 1
const basesOutside = 2
/** Of one that names not all externals: who counts on all being named must not read it. */
const someExternals = 3
const none = 0xffffffff
const largeOffset = 0x80000000
/** Packs with fewer objects are put in order as fast as the order is read. */
const leastOrdered = 2048
/** One look-up of a rank for so many objects: then a table of all ranks is cheaper than searching. */
const objectsPerSearch = 16

export const storedPackTrailerBytes = 72
/** KIND bits beside the object's kind. */
export const deltaBit = 8
export const appendedBit = 16

/** The network that a stored pack belongs to, and when it was stored: section NETW. */
export interface PackNetwork {
  /** A lower-case UUID. */
  readonly id: string
  /** Milliseconds since 1970. */
  readonly storedAtMs: number
}

/** What the index of a pack is made from: everything in position order (ascending ids). */
export interface PackIndexParts {
  readonly format: ObjectFormat
  readonly packBytes: number
  readonly oids: Uint8Array
  readonly offsets: Float64Array
  readonly crcs: Uint32Array
  readonly kinds: Uint8Array
  readonly sizes: Float64Array
  /** Positions; from their count on, places in `outsideBases` less that count. */
  readonly bases: Uint32Array
  /** Ids of delta bases that the pack doesn't hold, ascending; none if not given. */
  readonly outsideBases?: Uint8Array
  readonly sources: Uint8Array
  readonly externals: Uint8Array
  /** Externals that others lead to are not named (docs/design/pack-key.md, What externals imply). */
  readonly leavesOut?: boolean
  /** Whose it is: what the row in PostgreSQL says beside, so that it can be made again. */
  readonly network?: PackNetwork
  /** The pack's own trailer: with it come the checks by which the pack is streamed (pack-checks.ts). */
  readonly trailer?: Uint8Array
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

function checksOf({ offsets, crcs, packBytes }: PackIndexParts, order: Uint32Array, trailer: Uint8Array): PackChecks {
  return makeChecks({ offsets, crcs, entriesEnd: packBytes - trailer.length }, order, trailer)
}

/** 16 bytes UUID, f64 milliseconds. */
function encodeNetwork({ id, storedAtMs }: PackNetwork): Uint8Array {
  const out = Buffer.alloc(24)
  out.write(id.replaceAll('-', ''), 'hex')
  out.writeDoubleLE(storedAtMs, 16)
  return out
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
  const outside = parts.outsideBases ?? new Uint8Array(0)
  if (outside.length > 0) sections.push(['XBAS', outside])
  const order = orderByOffset(parts.offsets)
  if (order.length >= leastOrdered) sections.push(['ORDR', littleEndian32(order)])
  if (parts.network) sections.push(['NETW', encodeNetwork(parts.network)])
  if (parts.trailer) sections.push(['CHKS', encodeChecks(checksOf(parts, order, parts.trailer))])
  const { bytes: out, trailerAt } = encodeSections(sections, parts.packBytes, storedPackTrailerBytes)
  const padBytes = indexStart(parts.packBytes) - parts.packBytes
  out.write(magic, trailerAt, 'latin1')
  out.writeUInt32LE(parts.leavesOut ? someExternals : outside.length > 0 ? basesOutside : ownBases, trailerAt + 8)
  out.writeUInt32LE(hashBytes(parts.format), trailerAt + 12)
  out.writeBigUInt64LE(BigInt(parts.kinds.length), trailerAt + 16)
  out.writeBigUInt64LE(BigInt(parts.packBytes), trailerAt + 24)
  out.writeUInt32LE(sections.length, trailerAt + 32)
  createHash('sha256')
    .update(out.subarray(padBytes, trailerAt + 40))
    .digest()
    .copy(out, trailerAt + 40)
  return out
}

/** What the last 72 bytes of a stored value say. */
export interface StoredPackTrailer {
  readonly format: ObjectFormat
  readonly leavesOut: boolean
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
  const version = buffer.readUInt32LE(at + 8)
  if (version < ownBases || version > someExternals) {
    throw new CorruptError('stored-pack', `stored-pack version ${version} is not known to this server`)
  }
  const h = buffer.readUInt32LE(at + 12)
  if (h !== 20 && h !== 32) throw new CorruptError('stored-pack', `object ids of ${h} bytes`)
  return {
    format: h === 20 ? 'sha1' : 'sha256',
    leavesOut: version === someExternals,
    count: Number(buffer.readBigUInt64LE(at + 16)),
    packBytes: Number(buffer.readBigUInt64LE(at + 24)),
    sections: buffer.readUInt32LE(at + 32),
    sha256: bytes.subarray(at + 40, at + 72),
  }
}

/** The index of one stored pack, read in place. Positions are 0 … count−1 in ascending id order. */
export class PackIndex {
  readonly format: ObjectFormat
  readonly count: number
  readonly packBytes: number
  readonly sources: Uint8Array
  readonly externals: Uint8Array
  /** Objects that the externals lead to may be externals too, and not be named. */
  readonly leavesOut: boolean
  /** How many delta bases are objects that the pack doesn't hold. */
  readonly outsideCount: number
  readonly #h: number
  readonly #oids: Uint8Array
  readonly #offsets: Uint32Array
  readonly #largeOffsets: BigUint64Array
  readonly #crcs: Uint32Array
  readonly #kinds: Uint8Array
  readonly #sizes: Uint32Array
  readonly #largeSizes: BigUint64Array
  readonly #bases: Uint32Array
  readonly #outside: Uint8Array
  readonly #fanout: Uint32Array
  readonly #checks: Uint8Array | null
  readonly #network: Uint8Array | null
  #order: Uint32Array | undefined
  #rank: Uint32Array | undefined
  #searches = 0

  /**
   * @param bytes from `from` in the value to its end; `from` is a multiple of 8 and the array starts at a multiple of 8 of its buffer
   * @throws CorruptError when the bytes are not a whole stored-pack index
   */
  constructor(bytes: Uint8Array, from: number) {
    const trailer = decodeStoredPackTrailer(bytes)
    const sections = decodeSections(bytes, from, trailer.sections, storedPackTrailerBytes)
    this.format = trailer.format
    this.count = trailer.count
    this.leavesOut = trailer.leavesOut
    this.packBytes = trailer.packBytes
    this.#h = hashBytes(trailer.format)
    const n = trailer.count
    const longs = (b: Uint8Array) => new BigUint64Array(b.buffer, b.byteOffset, b.length / 8)
    this.#oids = sectionOf(sections, 'OIDS', n * this.#h)
    this.#offsets = wordsOf(sections, 'OFFS', n)
    this.#largeOffsets = longs(sectionOf(sections, 'LOFS'))
    this.#crcs = wordsOf(sections, 'CRCS', n)
    this.#kinds = sectionOf(sections, 'KIND', n)
    this.#sizes = wordsOf(sections, 'SIZE', n)
    this.#largeSizes = longs(sectionOf(sections, 'LSIZ'))
    this.#bases = wordsOf(sections, 'BASE', n)
    this.#outside = sections.get('XBAS') ?? new Uint8Array(0)
    this.outsideCount = Math.floor(this.#outside.length / this.#h)
    this.sources = sectionOf(sections, 'SRCS')
    this.externals = sectionOf(sections, 'EXTS')
    this.#fanout = fanout(this.#oids, n, this.#h)
    this.#checks = sections.get('CHKS') ?? null
    this.#network = sections.get('NETW') ?? null
    if (sections.has('ORDR')) this.#order = wordsOf(sections, 'ORDR', n)
  }

  /** What the pack's bytes are checked by as a whole; null in values that were stored before there was such a section. */
  checks(): PackChecks | null {
    return this.#checks && decodeChecks(this.#checks, this.#h)
  }

  /** Whose the pack is; null in values that were stored before that was said. */
  network(): PackNetwork | null {
    if (this.#network?.length !== 24) return null
    const bytes = asBuffer(this.#network)
    const id = bytes.toString('hex', 0, 16).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
    return { id, storedAtMs: bytes.readDoubleLE(16) }
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

  /** Views of the ids that begin with these hex digits, ascending. */
  *startingWith(digits: string): Generator<Uint8Array, void, undefined> {
    const prefix = Buffer.from(digits.padEnd(digits.length + (digits.length % 2), '0'), 'hex')
    let low = 0
    let high = this.count
    while (low < high) {
      const middle = (low + high) >>> 1
      if (Buffer.compare(this.oid(middle).subarray(0, prefix.length), prefix) < 0) low = middle + 1
      else high = middle
    }
    for (; low < this.count && asBuffer(this.oid(low)).toString('hex', 0, prefix.length).startsWith(digits); low++) yield this.oid(low)
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

  /** Positions of appended bases, ascending: mostly none. */
  appended(): number[] {
    const found: number[] = []
    const kinds = asBuffer(this.#kinds) // whose searches are native and fast; a typed array's in shared memory aren't
    for (let bits = appendedBit; bits < appendedBit * 2; bits++) {
      for (let at = kinds.indexOf(bits); at >= 0; at = kinds.indexOf(bits, at + 1)) found.push(at)
    }
    return found.sort((a, b) => a - b)
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

  /** Position of the delta base, or −1 for a whole object. From `count` on the base is none of the pack's objects: `baseId` says which. */
  base(position: number): number {
    const base = this.#bases[position] as number
    return base === none ? -1 : base
  }

  /** A view of the id of a delta base, by what `base` gave. CorruptError when there is no such base. */
  baseId(base: number): Uint8Array {
    if (base < this.count) return this.oid(base)
    const at = base - this.count
    if (at >= this.outsideCount) throw new CorruptError('stored-pack', 'a delta rests on a base that its pack does not name')
    return this.#outside.subarray(at * this.#h, (at + 1) * this.#h)
  }

  /** Positions in the order of their entries in the pack. */
  order(): Uint32Array {
    if (!this.#order) {
      const isPlain = this.#largeOffsets.length === 0
      this.#order = orderByOffset(isPlain ? this.#offsets : Float64Array.from({ length: this.count }, (_, i) => this.offset(i)))
    }
    return this.#order
  }

  /** The place of the entry in the pack: 0 for the first. Searched for as long as few are asked for: the table of all costs a walk over all. */
  rank(position: number): number {
    if (this.#rank) return this.#rank[position] as number
    if (this.#searches++ < this.count / objectsPerSearch) return this.#searchRank(position)
    const order = this.order()
    this.#rank = new Uint32Array(this.count)
    for (let i = 0; i < order.length; i++) this.#rank[order[i] as number] = i
    return this.#rank[position] as number
  }

  #searchRank(position: number): number {
    const order = this.order()
    const offset = this.offset(position)
    let low = 0
    let high = order.length - 1
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.offset(order[middle] as number) < offset) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** For each first byte, the position of the first id that has at least that byte. Searched for: the ids are many more than 256. */
function fanout(oids: Uint8Array, count: number, h: number): Uint32Array {
  const table = new Uint32Array(257).fill(count)
  let low = 0
  for (let byte = 0; byte < 256; byte++) {
    for (let high = count; low < high; ) {
      const middle = (low + high) >>> 1
      if ((oids[middle * h] as number) < byte) low = middle + 1
      else high = middle
    }
    table[byte] = low
  }
  return table
}

/** What the index's own hash goes over. */
export function hashedPart(bytes: Uint8Array, packBytes: number, from: number): Uint8Array {
  return bytes.subarray(indexStart(packBytes) - from, bytes.length - 32)
}

/**
 * CorruptError unless the index's own hash is right. Costs one SHA-256 over it, at load and not at each look-up; whoever has worked that out
 * already hands it in.
 */
export function assertIndexHash(
  bytes: Uint8Array,
  packBytes: number,
  from: number,
  sha256: Uint8Array = createHash('sha256')
    .update(hashedPart(bytes, packBytes, from))
    .digest(),
): void {
  if (!equalBytes(sha256, decodeStoredPackTrailer(bytes).sha256)) {
    throw new CorruptError('stored-pack', 'the index of a stored pack does not have the hash that its trailer names')
  }
}
