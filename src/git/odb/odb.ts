// (interface) What reads stored objects. Implemented beside this file; see index.ts for what other rooms may use.
import type { Kind, ObjectFormat } from '../format/object-id.ts'

/** The parsed index of one stored pack (docs/design/pack-key.md). Positions are 0 … count−1 in ascending id order. */
export interface PackIndexView {
  readonly format: ObjectFormat
  readonly count: number
  readonly packBytes: number
  /** The position of the id that starts at `at` in `oids`, or −1. */
  find(oids: Uint8Array, at: number): number
  /** A view (no copy) of the id at that position. */
  oid(position: number): Uint8Array
  kind(position: number): Kind
  sizeBytes(position: number): number
  offset(position: number): number
  /** Where the entry ends: the next entry's offset, or the pack's trailer. */
  end(position: number): number
  crc(position: number): number
  /** Position of the delta base, or −1 for a whole object. */
  base(position: number): number
  isAppended(position: number): boolean
  readonly sources: Uint8Array
  readonly externals: Uint8Array
}

/** One stored pack: its index and its bytes. `read` is immediate where the bytes are near (tail, cache, local file). */
export interface StoredPack {
  readonly id: string
  readonly index: PackIndexView
  /** First global number of this pack's positions in the set (see PackSet). */
  readonly first: number
  read(offset: number, sizeBytes: number): Uint8Array | Promise<Uint8Array>
  /** The pack's bytes in order, for streaming it or a region of it whole. */
  stream(offset: number, sizeBytes: number): AsyncIterable<Uint8Array>
}

/**
 * All packs of a network at one moment, oldest first. Every stored entry has a **number**: its pack's `first` + its position, 0 … size−1.
 * An object that stands in several packs has several numbers; `find` always gives the same one of them (its canonical number).
 */
export interface PackSetView {
  readonly format: ObjectFormat
  readonly packs: readonly StoredPack[]
  readonly size: number
  /** Canonical number of the id that starts at `at` in `oids`, or −1. */
  find(oids: Uint8Array, at: number): number
  packOf(number: number): StoredPack
  oid(number: number): Uint8Array
  kind(number: number): Kind
  sizeBytes(number: number): number
}

/** Reads whole objects: inflates and applies delta chains, with a cache of bases. */
export interface ObjectReaderView {
  readonly set: PackSetView
  /** The object's bytes without header. Immediate when everything it needs is near. CorruptError when stored bytes are wrong. */
  read(number: number): Uint8Array | Promise<Uint8Array>
  /** The deflated payload of a whole (non-delta) entry or of the delta itself, as stored, without the entry's header. */
  deflated(number: number): Uint8Array | Promise<Uint8Array>
}
