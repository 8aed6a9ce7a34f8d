// What a repack knows of each object, by its number in the set: tables in shared memory, which its threads fill together. Each object is one thread's at a time.

/** What becomes of an object; `base`: it stays as it is stored, and what is searched may rest on it. Of the copies of one, one is kept. */
export const Keep = { no: 0, asStored: 1, search: 2, base: 3 } as const

/** The pack, by its row's id, whose stored deltas are taken over where both ends stay; null: none. */
export type Reuse = number | null

export interface RepackTables {
  /** `Keep`: whether it goes into the new pack, and is searched for deltas. */
  readonly kept: Uint8Array
  /** What it is a delta of, −1 for a whole object. */
  readonly base: Int32Array
  /** Bytes of the delta, or of the whole object, inflated. */
  readonly payloadBytes: Uint32Array
  /** Its deflated payload: which scratch file (0: none, the stored entry has it, or it is yet to be deflated), where, how long. */
  readonly file: Uint8Array
  readonly at: Float64Array
  readonly deflatedBytes: Uint32Array
  readonly depth: Uint16Array
  /** Of its path: like names are near each other (git's pack_name_hash). */
  readonly name: Uint32Array
  /** The history table's row of the first commit that has it, −1 where none is known. */
  readonly row: Int32Array
}

export function makeTables(size: number): RepackTables {
  const shared = (bytes: number) => new SharedArrayBuffer(size * bytes)
  return {
    kept: new Uint8Array(shared(1)),
    base: new Int32Array(shared(4)).fill(-1),
    payloadBytes: new Uint32Array(shared(4)),
    file: new Uint8Array(shared(1)),
    at: new Float64Array(shared(8)),
    deflatedBytes: new Uint32Array(shared(4)),
    depth: new Uint16Array(shared(2)),
    name: new Uint32Array(shared(4)),
    row: new Int32Array(shared(4)).fill(-1),
  }
}

/** Objects in an order, cut into regions within which deltas are searched. */
export interface SearchOrder {
  readonly numbers: Uint32Array
  /** Where each region begins, and where the last ends. */
  readonly cuts: Uint32Array
}

/** The same in shared memory. */
export function sharedOrder(numbers: ArrayLike<number>, cuts: ArrayLike<number>): SearchOrder {
  const shared = {
    numbers: new Uint32Array(new SharedArrayBuffer(numbers.length * 4)),
    cuts: new Uint32Array(new SharedArrayBuffer(cuts.length * 4)),
  }
  shared.numbers.set(numbers)
  shared.cuts.set(cuts)
  return shared
}
