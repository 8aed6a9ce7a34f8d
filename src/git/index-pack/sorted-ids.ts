// Packed ids in ascending order, and what is done with them: sorting by first bytes, finding by halving.
import type { EntryTable } from './entry-table.ts'

/** Fewer ids than this are compared: the tables of the other way are larger than they. */
const FEW = 2048

/** The numbers of `count` ids of `idWords` words each, by ascending id; equal ids by `tie`. */
export function sortIds(words: Uint32Array, idWords: number, count: number, tie: (a: number, b: number) => number): Uint32Array {
  const compare = (a: number, b: number) => compareWords(words, a * idWords, words, b * idWords, idWords) || tie(a, b)
  if (count < FEW) return Uint32Array.from({ length: count }, (_, i) => i).sort(compare)
  const keys = new Uint32Array(count)
  for (let i = 0; i < count; i++) keys[i] = swap(words[i * idWords]!)
  let order = Uint32Array.from({ length: count }, (_, i) => i)
  let other = new Uint32Array(count)
  // Least significant half first: two passes put the ids in order by their first four bytes, few are left to compare.
  for (const shift of [0, 16]) {
    const places = new Uint32Array(65537)
    for (let i = 0; i < count; i++) places[((keys[i]! >>> shift) & 0xffff) + 1]!++
    for (let i = 0; i < 65536; i++) places[i + 1]! += places[i]!
    for (let i = 0; i < count; i++) {
      const id = order[i]!
      other[places[(keys[id]! >>> shift) & 0xffff]!++] = id
    }
    ;[order, other] = [other, order]
  }
  for (let first = 0; first < count; ) {
    let last = first + 1
    while (last < count && keys[order[last]!] === keys[order[first]!]) last++
    if (last - first > 1) order.subarray(first, last).sort(compare)
    first = last
  }
  return order
}

/** Order of two ids given as words whose bytes are in memory order. */
export function compareWords(a: Uint32Array, at: number, b: Uint32Array, bt: number, idWords: number): number {
  for (let k = 0; k < idWords; k++) {
    const x = a[at + k]!
    const y = b[bt + k]!
    if (x !== y) return swap(x) < swap(y) ? -1 : 1
  }
  return 0
}

function swap(x: number): number {
  return ((x << 24) | ((x & 0xff00) << 8) | ((x >>> 8) & 0xff00) | (x >>> 24)) >>> 0
}

/** Sorted ids with a table of where each first two bytes begin; of few ids, each first byte. */
export class IdIndex {
  readonly words: Uint32Array
  readonly count: number
  readonly #idWords: number
  /** How far an id's first word is shifted for the number of its place in the table. */
  readonly #shift: number
  readonly #starts: Uint32Array

  constructor(words: Uint32Array, idWords: number) {
    this.words = words
    this.#idWords = idWords
    this.count = words.length / idWords
    this.#shift = this.count < FEW ? 24 : 16
    const starts = new Uint32Array(2 ** (32 - this.#shift) + 1)
    for (let i = 0; i < this.count; i++) starts[(swap(words[i * idWords]!) >>> this.#shift) + 1]!++
    for (let i = 1; i < starts.length; i++) starts[i]! += starts[i - 1]!
    this.#starts = starts
  }

  /** The position of the id at `at` in `words`, or −1. */
  find(words: Uint32Array, at: number): number {
    const bucket = swap(words[at]!) >>> this.#shift
    let low = this.#starts[bucket]!
    let high = this.#starts[bucket + 1]!
    while (low < high) {
      const middle = (low + high) >>> 1
      const order = compareWords(this.words, middle * this.#idWords, words, at, this.#idWords)
      if (order === 0) return middle
      if (order < 0) low = middle + 1
      else high = middle
    }
    return -1
  }
}

/** Which entry stands for each id, by ascending id. Of equal ones the least deep, then the first: so bases never lead in a circle. */
export function chooseEntries(table: EntryTable): Uint32Array {
  const { columns, packed: count, idWords } = table
  const order = sortIds(columns.oids, idWords, count, (a, b) => columns.depths[a]! - columns.depths[b]! || a - b)
  let kept = 0
  for (let i = 0; i < count; i++) {
    const isSame = kept > 0 && compareWords(columns.oids, order[kept - 1]! * idWords, columns.oids, order[i]! * idWords, idWords) === 0
    if (!isSame) order[kept++] = order[i]!
  }
  return order.subarray(0, kept)
}
