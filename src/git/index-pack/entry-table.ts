// What is known of each entry of the pack, in pack order, as arrays over shared memory: helper threads write what they resolve. Behind the
// pack's entries stand the objects that its deltas rest on and that it doesn't hold, with their bytes.
// Grows with the entries that really came, never with what a header claims. 59 bytes an entry with SHA-1, 71 with SHA-256.
// Invariant: an entry's row is written by the thread that resolves it and read by others only after the phase has ended.
import type { ObjectFormat } from '../format/object-id.ts'
import { hashBytes } from '../format/object-id.ts'

/** Bits of `kinds` beside the kind itself (docs/design/pack-key.md KIND). */
export const IS_DELTA = 8
export const IS_APPENDED = 16

/** The objects outside of the pack that deltas rest on: rows from `first` on. */
export interface OutsideBases {
  readonly first: number
  /** The objects' bytes, one behind the other, and where each ends. */
  readonly bytes: Uint8Array<SharedArrayBuffer>
  readonly ends: Float64Array<SharedArrayBuffer>
}

type Columns = {
  /** Where the entry begins in the pack. */
  offsets: Float64Array<SharedArrayBuffer>
  /** Inflated bytes of what is stored: the object, or the delta. */
  payloads: Float64Array<SharedArrayBuffer>
  /** Bytes of the object. */
  sizes: Float64Array<SharedArrayBuffer>
  /** Entry number of the delta base, −1 for none. */
  bases: Int32Array<SharedArrayBuffer>
  /** Lists of the deltas that rest on an entry: the first, and for each the next; −1 ends. */
  firsts: Int32Array<SharedArrayBuffer>
  nexts: Int32Array<SharedArrayBuffer>
  crcs: Uint32Array<SharedArrayBuffer>
  depths: Uint16Array<SharedArrayBuffer>
  /** Kind (0: a delta not yet resolved) and the bits above. */
  kinds: Uint8Array<SharedArrayBuffer>
  headers: Uint8Array<SharedArrayBuffer>
  /** Ids, H/4 words each, bytes in their own order. */
  oids: Uint32Array<SharedArrayBuffer>
}

/** The table as it is posted to another thread. */
export interface SharedEntries {
  readonly format: ObjectFormat
  readonly count: number
  readonly packEnd: number
  readonly columns: Columns
  readonly outside: OutsideBases | null
}

export class EntryTable {
  readonly format: ObjectFormat
  readonly idBytes: 20 | 32
  /** Words of an id. */
  readonly idWords: number
  /** Where the last entry ends (the trailer begins). */
  packEnd = 0
  count = 0
  outside: OutsideBases | null = null
  columns: Columns
  #capacity: number

  constructor(format: ObjectFormat, capacity: number) {
    this.format = format
    this.idBytes = hashBytes(format)
    this.idWords = this.idBytes / 4
    this.#capacity = capacity
    this.columns = makeColumns(capacity, this.idWords)
  }

  static fromShared(shared: SharedEntries): EntryTable {
    const table = new EntryTable(shared.format, 0)
    table.columns = shared.columns
    table.count = shared.count
    table.packEnd = shared.packEnd
    table.outside = shared.outside
    return table
  }

  toShared(): SharedEntries {
    return { format: this.format, count: this.count, packEnd: this.packEnd, columns: this.columns, outside: this.outside }
  }

  /** Rows that are entries of the pack. */
  get packed(): number {
    return this.outside?.first ?? this.count
  }

  /** The object of a row that is outside of the pack; null for the pack's own entries. */
  outsideBytes(entry: number): Uint8Array | null {
    if (this.outside === null || entry < this.outside.first) return null
    const { first, bytes, ends } = this.outside
    return bytes.subarray(entry === first ? 0 : ends[entry - first - 1]!, ends[entry - first]!)
  }

  /** Room for one more row, doubling, but not beyond `expected` while that suffices. */
  add(expected: number): number {
    if (this.count === this.#capacity) {
      const doubled = Math.max(64, this.#capacity * 2)
      this.#grow(expected > this.count ? Math.min(doubled, expected) : doubled)
    }
    const entry = this.count++
    this.columns.bases[entry] = -1
    this.columns.firsts[entry] = -1
    this.columns.nexts[entry] = -1
    return entry
  }

  #grow(capacity: number): void {
    const grown = makeColumns(capacity, this.idWords)
    for (const name of Object.keys(grown) as (keyof Columns)[]) grown[name].set(this.columns[name])
    this.columns = grown
    this.#capacity = capacity
  }

  /** Where the entry ends. */
  endOf(entry: number): number {
    return entry + 1 < this.count ? this.columns.offsets[entry + 1]! : this.packEnd
  }

  /** Puts the entry at the front of its base's list. */
  link(entry: number, base: number): void {
    const { bases, firsts, nexts } = this.columns
    bases[entry] = base
    nexts[entry] = firsts[base]!
    firsts[base] = entry
  }

  /** A view of the entry's id. */
  oid(entry: number): Uint8Array {
    return new Uint8Array(this.columns.oids.buffer, entry * this.idBytes, this.idBytes)
  }

  /** The entry that begins at that offset of the pack, or −1. */
  find(offset: number): number {
    const { offsets } = this.columns
    let low = 0
    let high = this.count
    while (low < high) {
      const middle = (low + high) >>> 1
      if (offsets[middle]! < offset) low = middle + 1
      else high = middle
    }
    return low < this.count && offsets[low] === offset ? low : -1
  }
}

function makeColumns(n: number, idWords: number): Columns {
  return {
    offsets: new Float64Array(new SharedArrayBuffer(n * 8)),
    payloads: new Float64Array(new SharedArrayBuffer(n * 8)),
    sizes: new Float64Array(new SharedArrayBuffer(n * 8)),
    bases: new Int32Array(new SharedArrayBuffer(n * 4)),
    firsts: new Int32Array(new SharedArrayBuffer(n * 4)),
    nexts: new Int32Array(new SharedArrayBuffer(n * 4)),
    crcs: new Uint32Array(new SharedArrayBuffer(n * 4)),
    depths: new Uint16Array(new SharedArrayBuffer(n * 2)),
    kinds: new Uint8Array(new SharedArrayBuffer(n)),
    headers: new Uint8Array(new SharedArrayBuffer(n)),
    oids: new Uint32Array(new SharedArrayBuffer(n * idWords * 4)),
  }
}
