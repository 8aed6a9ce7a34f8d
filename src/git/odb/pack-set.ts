// All packs of a network at one moment, oldest first, as one numbered set of entries.
// Every stored entry has a number: its pack's `first` + its position. Numbers of packs already in a set stay as packs are added.
// Invariant: of an object that several packs hold, the oldest pack's copy counts, and what a delta rests on outside of its pack stands in an older
// one (docs/design/pack-key.md, Bases outside). So chains end, and what a number stands for stays as packs are added.
import { randomInt } from 'node:crypto'
import { CorruptError, hex } from '../../base/index.ts'
import type { OpenValue } from '../../bucket/index.ts'
import type { PackIndex } from '../format/stored-pack.ts'
import { hashBytes, type Kind, type ObjectFormat } from '../format/object-id.ts'

/** Bytes of one stored pack, wherever they are. */
export interface PackBytes {
  /** Bytes of the stored value. Immediate where they are near (tail, cache, local file). CorruptError when they are gone or short. */
  read(offset: number, sizeBytes: number): Uint8Array | Promise<Uint8Array>
  /** The bytes in order, in large pieces, for a region that is sent as it stands. */
  stream(offset: number, sizeBytes: number): AsyncIterable<Uint8Array>
  /** Where the bytes are near: for reads into the caller's own memory. */
  readonly open?: (() => Promise<OpenValue>) | undefined
}

/** One stored pack: its index and its bytes. */
export interface StoredPack extends PackBytes {
  readonly id: number
  readonly index: PackIndex
  /** The number of its position 0 in the set. */
  readonly first: number
  /** Numbers of its bases outside, plus one; 0: not looked up yet. They stay as packs are added. */
  readonly outsideBases: Int32Array
}

/** Packs with fewer objects than this share one hash table; larger ones are searched by their own sorted ids. */
const smallPackObjects = 4096

function isLarge({ index }: StoredPack): boolean {
  return index.count >= smallPackObjects
}

export class PackSet {
  readonly format: ObjectFormat
  readonly packs: readonly StoredPack[]
  /** Entries in all packs; numbers are 0 … size−1. */
  readonly size: number
  readonly #large: readonly StoredPack[]
  readonly #small: SmallPackTable
  readonly #firstSmall: number

  private constructor(format: ObjectFormat, packs: readonly StoredPack[], size: number, small: SmallPackTable) {
    this.format = format
    this.packs = packs
    this.size = size
    this.#large = packs.filter(isLarge)
    this.#small = small
    this.#firstSmall = packs.find((pack) => !isLarge(pack) && pack.index.count > 0)?.first ?? size
  }

  static empty(format: ObjectFormat): PackSet {
    return new PackSet(format, [], 0, new SmallPackTable(hashBytes(format)))
  }

  /** A set with these packs behind the present ones. The present set stays as it is. */
  with(added: readonly { readonly id: number; readonly index: PackIndex; readonly bytes: PackBytes }[]): PackSet {
    const packs = [...this.packs]
    let size = this.size
    // the table is shared along one line of sets; a second line from the same set gets a table of its own
    const small = this.#small.size === this.size ? this.#small : SmallPackTable.of(this.packs, this.format)
    for (const { id, index, bytes } of added) {
      const outsideBases = new Int32Array(index.outsideCount)
      const pack = {
        id,
        index,
        first: size,
        outsideBases,
        read: bytes.read.bind(bytes),
        stream: bytes.stream.bind(bytes),
        open: bytes.open,
      }
      packs.push(pack)
      small.add(pack)
      size += index.count
    }
    return new PackSet(this.format, packs, size, small)
  }

  /** The one number by which the id that starts at `at` in `oids` is known, though several packs may hold it; −1 when none does. */
  find(oids: Uint8Array, at: number): number {
    for (const pack of this.#large) {
      const position = pack.index.find(oids, at)
      if (position < 0) continue
      const number = pack.first + position
      if (number < this.#firstSmall) return number
      const small = this.#small.find(oids, at)
      return small >= 0 && small < number ? small : number
    }
    const number = this.#small.find(oids, at)
    return number < this.size ? number : -1 // the table is shared with newer sets
  }

  /**
   * The number of the entry that a stored delta is applied to, in the same pack or an older one; −1 for a whole object.
   * @throws CorruptError when the base isn't there: nothing may be taken out of a network that deltas rest on
   */
  base(pack: StoredPack, position: number): number {
    const base = pack.index.base(position)
    return base < pack.index.count ? (base < 0 ? -1 : pack.first + base) : this.#outsideBase(pack, base)
  }

  /** The number by which the base of a stored delta is known: that of its oldest copy. −1 for a whole object. CorruptError as `base`. */
  baseObject(pack: StoredPack, position: number): number {
    const base = pack.index.base(position)
    if (base >= pack.index.count) return this.#outsideBase(pack, base)
    return base < 0 || this.packs.length === 1 ? base : this.find(pack.index.oid(base), 0)
  }

  /** How many deltas lie between the entry and a whole object, counted up to `most`. Reads no bytes. CorruptError as `base`. */
  depth(number: number, most: number): number {
    let depth = 0
    let pack = this.packOf(number)
    for (let at = number; depth < most; depth++) {
      at = this.base(pack, at - pack.first)
      if (at < 0) break
      if (at < pack.first) pack = this.packOf(at)
    }
    return depth
  }

  #outsideBase(pack: StoredPack, base: number): number {
    const place = base - pack.index.count
    const known = (pack.outsideBases[place] ?? 0) - 1
    if (known >= 0) return known
    const id = pack.index.baseId(base)
    const number = this.find(id, 0)
    if (number < 0 || number >= pack.first) {
      throw new CorruptError('stored-pack', `a delta in pack ${pack.id} rests on ${hex(id)}, which no older pack of the network holds`)
    }
    pack.outsideBases[place] = number + 1
    return number
  }

  /** Ids that begin with these hex digits, pack by pack: an id that several packs hold comes as often. */
  *startingWith(digits: string): Generator<Uint8Array, void, undefined> {
    for (const { index } of this.packs) yield* index.startingWith(digits)
  }

  packOf(number: number): StoredPack {
    let low = 0
    let high = this.packs.length - 1
    while (low < high) {
      const middle = (low + high + 1) >>> 1
      if ((this.packs[middle] as StoredPack).first <= number) low = middle
      else high = middle - 1
    }
    return this.packs[low] as StoredPack
  }

  oid(number: number): Uint8Array {
    const pack = this.packOf(number)
    return pack.index.oid(number - pack.first)
  }

  kind(number: number): Kind {
    const pack = this.packOf(number)
    return pack.index.kind(number - pack.first)
  }

  sizeBytes(number: number): number {
    const pack = this.packOf(number)
    return pack.index.sizeBytes(number - pack.first)
  }
}

/** Open addressing from id to number over all small packs; grows as packs are added, the first (oldest) number of an id stays. */
class SmallPackTable {
  readonly #h: number
  readonly #packs: StoredPack[] = []
  readonly #seed = randomInt(2 ** 31)
  #slots = new Int32Array(64).fill(-1) // place in #entries
  #entryPack: number[] = []
  #entryPosition: number[] = []
  #size = 0

  constructor(h: number) {
    this.#h = h
  }

  static of(packs: readonly StoredPack[], format: ObjectFormat): SmallPackTable {
    const table = new SmallPackTable(hashBytes(format))
    for (const pack of packs) table.add(pack)
    return table
  }

  /** Entries of all packs added so far, large ones too: the size of the newest set that shares the table. */
  get size(): number {
    return this.#size
  }

  add(pack: StoredPack): void {
    this.#size += pack.index.count
    if (isLarge(pack)) return
    const packPlace = this.#packs.push(pack) - 1
    for (let position = 0; position < pack.index.count; position++) {
      const oid = pack.index.oid(position)
      if (this.#entry(oid, 0) >= 0) continue
      if ((this.#entryPack.length + 1) * 2 > this.#slots.length) this.#grow()
      this.#entryPack.push(packPlace)
      const entry = this.#entryPosition.push(position) - 1
      this.#slots[this.#freeSlot(oid, 0)] = entry
    }
  }

  find(oids: Uint8Array, at: number): number {
    const entry = this.#entry(oids, at)
    return entry < 0 ? -1 : (this.#packs[this.#entryPack[entry] as number] as StoredPack).first + (this.#entryPosition[entry] as number)
  }

  #hash(oids: Uint8Array, at: number): number {
    // keyed, because a client can grind ids that share a few bytes
    let word = this.#seed
    for (let i = 0; i < 8; i++) word = Math.imul(word ^ (oids[at + i] as number), 0x01000193)
    return (word ^ (word >>> 15)) & (this.#slots.length - 1)
  }

  #entry(oids: Uint8Array, at: number): number {
    const mask = this.#slots.length - 1
    for (let slot = this.#hash(oids, at); ; slot = (slot + 1) & mask) {
      const entry = this.#slots[slot] as number
      if (entry < 0) return -1
      const oid = (this.#packs[this.#entryPack[entry] as number] as StoredPack).index.oid(this.#entryPosition[entry] as number)
      let k = 0
      while (k < this.#h && oid[k] === oids[at + k]) k++
      if (k === this.#h) return entry
    }
  }

  #freeSlot(oids: Uint8Array, at: number): number {
    const mask = this.#slots.length - 1
    let slot = this.#hash(oids, at)
    while ((this.#slots[slot] as number) >= 0) slot = (slot + 1) & mask
    return slot
  }

  #grow(): void {
    this.#slots = new Int32Array(this.#slots.length * 2).fill(-1)
    for (let entry = 0; entry < this.#entryPack.length; entry++) {
      const pack = this.#packs[this.#entryPack[entry] as number] as StoredPack
      this.#slots[this.#freeSlot(pack.index.oid(this.#entryPosition[entry] as number), 0)] = entry
    }
  }
}
