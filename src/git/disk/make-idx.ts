// An index for a pack on disk that has lost its own: the pack is read from end to end, every entry inflated and every object hashed.
// git passes over such packs; whoever moves in may want what is in them.
import { createHash } from 'node:crypto'
import { inflateSync } from 'node:zlib'
import { compareBytes, equalBytes, hex, isSystemError } from '../../base/index.ts'
import { applyDelta } from '../format/delta.ts'
import { encodeIdx, entryCrc } from '../format/idx.ts'
import { hashObject } from '../format/object.ts'
import { hashBytes, type Kind, type ObjectFormat } from '../format/object-id.ts'
import { decodeEntryHeader, decodePackHeader, type EntryHeader, EntryType, PACK_HEADER_BYTES } from '../format/pack.ts'
import { wrong } from './errors.ts'

const firstWindowBytes = 64 << 10
const cacheBytes = 48 << 20

/** Reads so many bytes from there; fewer only at the file's end. */
export interface ReadAt {
  (offset: number, sizeBytes: number): Uint8Array
}

interface Entry {
  readonly offset: number
  readonly end: number
  readonly header: Omit<EntryHeader, 'baseId'>
  /** Hex, of a delta that names its base. */
  readonly baseId: string | null
  readonly crc: number
  oid: Uint8Array | null
}

interface Made {
  readonly kind: Kind
  readonly bytes: Uint8Array
}

/** The bytes of an idx file, version 2. InputError `disk-pack` when the pack is damaged or rests on objects that it doesn't hold. */
export function makeIdx(path: string, sizeBytes: number, read: ReadAt, format: ObjectFormat, objectBytes: number): Uint8Array {
  const fail = (what: string, cause?: unknown) => wrong('disk-pack', path, what, cause)
  const h = hashBytes(format)
  const packHash = checkedTrailer(sizeBytes, read, format)
  if (packHash === null) throw fail('is damaged: it does not match its own trailer')
  const count = decodePackHeader(read(0, PACK_HEADER_BYTES))?.objectCount ?? 0
  const entries: Entry[] = []
  for (let at = PACK_HEADER_BYTES; entries.length < count; ) {
    const entry = scanEntry(at, sizeBytes - h, read, format, objectBytes)
    if (entry === null) throw fail(`has no sound entry at offset ${at}`)
    entries.push(entry)
    at = entry.end
  }
  if ((entries.at(-1)?.end ?? PACK_HEADER_BYTES) !== sizeBytes - h) throw fail('has junk at its end')
  const unresolved = new Resolution(entries, read, format, objectBytes).run()
  if (unresolved > 0) throw fail(`holds ${unresolved} deltas whose bases it does not hold`)
  const sorted = [...entries].sort((a, b) => compareBytes(a.oid as Uint8Array, b.oid as Uint8Array) || a.offset - b.offset)
  return encodeIdx({
    format,
    oids: Buffer.concat(sorted.map((entry) => entry.oid as Uint8Array)),
    crcs: Uint32Array.from(sorted, (entry) => entry.crc),
    offsets: Float64Array.from(sorted, (entry) => entry.offset),
    packHash,
  })
}

function checkedTrailer(sizeBytes: number, read: ReadAt, format: ObjectFormat): Uint8Array | null {
  const h = hashBytes(format)
  if (sizeBytes < PACK_HEADER_BYTES + h) return null
  const hash = createHash(format)
  for (let at = 0; at < sizeBytes - h; at += 1 << 20) hash.update(read(at, Math.min(1 << 20, sizeBytes - h - at)))
  const trailer = read(sizeBytes - h, h)
  return equalBytes(hash.digest(), trailer) ? trailer : null
}

/** Where an entry ends is known when it was inflated. Null for one that is none. */
function scanEntry(offset: number, end: number, read: ReadAt, format: ObjectFormat, objectBytes: number): Entry | null {
  for (let window = firstWindowBytes; ; window *= 4) {
    const bytes = read(offset, Math.min(window, end - offset))
    const header = headerOf(bytes, format)
    if (header === null || header.sizeBytes > objectBytes) return null
    const deflatedBytes = inflatedLength(bytes.subarray(header.headerBytes), header.sizeBytes)
    if (deflatedBytes !== null) {
      const size = header.headerBytes + deflatedBytes
      const { baseId, ...rest } = header
      const crc = entryCrc(bytes.subarray(0, size))
      return { offset, end: offset + size, header: rest, baseId: baseId === null ? null : hex(baseId), crc, oid: null }
    }
    if (bytes.length === end - offset) return null
  }
}

function headerOf(bytes: Uint8Array, format: ObjectFormat): EntryHeader | null {
  try {
    return decodeEntryHeader(bytes, 0, format)
  } catch {
    return null
  }
}

/** How many bytes the zlib stream takes; null when it isn't whole here, or isn't one. */
function inflatedLength(bytes: Uint8Array, sizeBytes: number): number | null {
  try {
    const { buffer, engine } = inflateSync(bytes, { info: true, maxOutputLength: Math.max(sizeBytes, 1) }) as unknown as {
      buffer: Buffer
      engine: { bytesWritten: number }
    }
    return buffer.length === sizeBytes ? engine.bytesWritten : null
  } catch (error) {
    if (error instanceof RangeError || isSystemError(error, 'Z_BUF_ERROR') || isSystemError(error, 'Z_DATA_ERROR')) return null
    throw error
  }
}

/** Finds every entry's object, from whole ones up; deltas that name a base wait until that one is found. */
class Resolution {
  readonly #entries: readonly Entry[]
  readonly #read: ReadAt
  readonly #format: ObjectFormat
  readonly #objectBytes: number
  readonly #byOffset: ReadonlyMap<number, Entry>
  readonly #byId = new Map<string, Entry>()
  readonly #kept = new Map<number, Made>()
  #keptBytes = 0

  constructor(entries: readonly Entry[], read: ReadAt, format: ObjectFormat, objectBytes: number) {
    this.#entries = entries
    this.#read = read
    this.#format = format
    this.#objectBytes = objectBytes
    this.#byOffset = new Map(entries.map((entry) => [entry.offset, entry]))
  }

  /** How many could not be resolved. */
  run(): number {
    let waiting = [...this.#entries]
    for (;;) {
      const left = waiting.filter((entry) => !this.#resolve(entry))
      if (left.length === waiting.length || left.length === 0) return left.length
      waiting = left
    }
  }

  #resolve(entry: Entry): boolean {
    const base = this.#base(entry)
    if (base === undefined || (base !== null && base.oid === null)) return false
    const { kind, bytes } = this.#make(entry)
    entry.oid = hashObject(kind, bytes, this.#format)
    const id = hex(entry.oid)
    if (!this.#byId.has(id)) this.#byId.set(id, entry)
    return true
  }

  /** Null: it is whole. Undefined: not known (yet). */
  #base({ header, baseId, offset }: Entry): Entry | null | undefined {
    if (header.type < EntryType.ofsDelta) return null
    return baseId === null ? this.#byOffset.get(offset - header.baseDistance) : this.#byId.get(baseId)
  }

  /** @param entry whose base is resolved */
  #make(entry: Entry): Made {
    const chain: Entry[] = []
    let made: Made | undefined
    for (let at: Entry | null | undefined = entry; at && made === undefined; at = this.#base(at)) {
      made = this.#kept.get(at.offset)
      if (made === undefined) chain.push(at)
    }
    for (const link of chain.reverse()) {
      const deflated = this.#read(link.offset, link.end - link.offset).subarray(link.header.headerBytes)
      const payload = inflateSync(deflated, { maxOutputLength: Math.max(link.header.sizeBytes, 1) })
      if (made === undefined) made = { kind: link.header.type as Kind, bytes: payload }
      else made = { kind: made.kind, bytes: applyDelta(made.bytes, payload, { targetBytes: this.#objectBytes }) }
      this.#keep(link.offset, made)
    }
    return made as Made
  }

  #keep(offset: number, made: Made): void {
    if (made.bytes.length > cacheBytes / 8) return
    this.#kept.set(offset, made)
    this.#keptBytes += made.bytes.length + 200
    for (const [key, { bytes }] of this.#kept) {
      if (this.#keptBytes <= cacheBytes) break
      this.#kept.delete(key)
      this.#keptBytes -= bytes.length + 200
    }
  }
}
