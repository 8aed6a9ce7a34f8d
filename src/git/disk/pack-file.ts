// One pack on disk with its index: entries where they lie, and what they rest on. Reads are synchronous: for a command of its own or a
// worker thread, not for a server's event loop.
// Invariant: an entry's place is checked before it is read; what doesn't fit is InputError `disk-pack` with the pack's name.
import { closeSync, existsSync, fstatSync, openSync } from 'node:fs'
import { basename } from 'node:path'
import { entryCrc } from '../format/idx.ts'
import { hashBytes, type ObjectFormat } from '../format/object-id.ts'
import { decodeEntryHeader, decodePackHeader, type EntryHeader, EntryType, PACK_HEADER_BYTES } from '../format/pack.ts'
import { readAll } from '../index-pack/spool.ts'
import { equalBytes } from '../../base/index.ts'
import { reading, wrong } from './errors.ts'
import type { DiskIdx } from './pack-idx.ts'

export class DiskPack {
  readonly path: string
  readonly format: ObjectFormat
  readonly idx: DiskIdx
  readonly sizeBytes: number
  /** Came from a promisor remote: what it refers to may be absent. */
  readonly isPromisor: boolean
  /** Holds only what nothing referred to when it was made. */
  readonly isCruft: boolean
  readonly #fd: number
  #order: { readonly offsets: Float64Array; readonly positions: Uint32Array } | null = null

  /** @param path of the `.pack` file */
  constructor(path: string, idx: DiskIdx, format: ObjectFormat) {
    this.path = path
    this.format = format
    this.idx = idx
    const stem = path.replace(/\.pack$/, '')
    this.isPromisor = existsSync(`${stem}.promisor`)
    this.isCruft = existsSync(`${stem}.mtimes`)
    this.#fd = reading(path, () => openSync(path, 'r'))
    try {
      this.sizeBytes = reading(path, () => fstatSync(this.#fd)).size
      this.#checkEnds()
    } catch (error) {
      closeSync(this.#fd)
      throw error
    }
  }

  get name(): string {
    return basename(this.path)
  }

  close(): void {
    closeSync(this.#fd)
  }

  /** Where entries end and the trailer begins. */
  get entriesEnd(): number {
    return this.sizeBytes - hashBytes(this.format)
  }

  /** Offsets of all entries, ascending, and for each the object's position in the index. */
  get order(): { readonly offsets: Float64Array; readonly positions: Uint32Array } {
    return (this.#order ??= this.#sort())
  }

  /** Rank in `order` of the entry at that offset; −1 when none begins there. */
  rankAt(offset: number): number {
    const { offsets } = this.order
    let low = 0
    let high = offsets.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((offsets[middle] as number) < offset) low = middle + 1
      else high = middle
    }
    return offsets[low] === offset ? low : -1
  }

  /** Where the entry of that rank ends. */
  endOf(rank: number): number {
    return this.order.offsets[rank + 1] ?? this.entriesEnd
  }

  /** The entry of that rank as it stands. */
  entry(rank: number): Uint8Array {
    const offset = this.order.offsets[rank] as number
    return this.read(offset, this.endOf(rank) - offset)
  }

  /** Bytes of the file; exactly as many as asked for. */
  read(offset: number, sizeBytes: number): Uint8Array {
    const bytes = new Uint8Array(sizeBytes)
    const count = reading(this.path, () => readAll(this.#fd, bytes, offset))
    if (count < sizeBytes) throw this.wrong(`ends at ${offset + count}, in the middle of an entry`)
    return bytes
  }

  /** The header of the entry whose bytes these are. */
  header(bytes: Uint8Array, offset: number): EntryHeader {
    let header: EntryHeader | null
    try {
      header = decodeEntryHeader(bytes, 0, this.format)
    } catch (cause) {
      throw this.wrong(`has no sound entry at offset ${offset}`, cause)
    }
    if (header === null) throw this.wrong(`has an entry at offset ${offset} that is shorter than its header`)
    return header
  }

  /** Rank of the base of the delta at that offset; −1 for an object that is no delta. */
  baseRank(header: EntryHeader, offset: number): number {
    if (header.type < EntryType.ofsDelta) return -1
    if (header.baseId === null) {
      const rank = this.rankAt(offset - header.baseDistance)
      if (rank < 0) throw this.wrong(`has a delta at offset ${offset} whose base is no entry`)
      return rank
    }
    const position = this.idx.find(header.baseId, 0)
    if (position < 0) throw this.wrong(`has a delta at offset ${offset} whose base it does not hold`)
    return this.rankAt(this.idx.offset(position))
  }

  /** InputError when the entry is not what the index (version 2) says. */
  checkCrc(rank: number, bytes: Uint8Array): void {
    const expected = this.idx.crc(this.order.positions[rank] as number)
    if (expected !== null && entryCrc(bytes) !== expected) {
      throw this.wrong(`is damaged at offset ${this.order.offsets[rank]}: the entry does not match its index`)
    }
  }

  wrong(what: string, cause?: unknown): Error {
    return wrong('disk-pack', this.path, what, cause)
  }

  #checkEnds(): void {
    const h = hashBytes(this.format)
    if (this.sizeBytes < PACK_HEADER_BYTES + h) throw this.wrong('is too small to be a pack')
    let header: ReturnType<typeof decodePackHeader>
    try {
      header = decodePackHeader(this.read(0, PACK_HEADER_BYTES))
    } catch (cause) {
      throw this.wrong(`is no pack: ${cause instanceof Error ? cause.message : String(cause)}`, cause)
    }
    if (!equalBytes(this.read(this.sizeBytes - h, h), this.idx.packHash)) throw this.wrong('is not the pack that its index was made for')
    if (header?.objectCount !== this.idx.count) {
      throw this.wrong(`holds ${header?.objectCount} entries, of which its index names ${this.idx.count}`)
    }
  }

  #sort() {
    const { idx } = this
    const offsets = new Float64Array(idx.count)
    for (let i = 0; i < idx.count; i++) offsets[i] = idx.offset(i)
    offsets.sort()
    for (let rank = 0; rank < idx.count; rank++) {
      const from = rank === 0 ? PACK_HEADER_BYTES : (offsets[rank - 1] as number) + 1
      if ((offsets[rank] as number) < from || (offsets[rank] as number) >= this.entriesEnd) {
        throw this.wrong(`does not fit its index: an object is said to be at offset ${offsets[rank]}`)
      }
    }
    const positions = new Uint32Array(idx.count)
    this.#order = { offsets, positions }
    for (let i = 0; i < idx.count; i++) positions[this.rankAt(idx.offset(i))] = i
    return this.#order
  }
}
