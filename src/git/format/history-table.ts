// A history table: a network's commits as numbers, and what each of them adds to its parents. docs/design/history-key.md gives every byte.
// Read in place through typed arrays; loading costs no decoding. Pure.
import { createHash } from 'node:crypto'
import { asBuffer, CorruptError, decodeSections, encodeSections, equalBytes, wordsOf } from '../../base/index.ts'
import { hashBytes, type ObjectFormat } from './object-id.ts'

const magic = 'STEMHIST'
/** 2: goes on where others end (`PREV`). */
const versions = [1, 2]
const trailerBytes = 72
/** OLDR: nothing stood at that path. */
export const noOlder = 0xffffffff

/** What a table is made from. A commit's row is its place here; its parents stand in lower rows. */
export interface HistoryParts {
  readonly format: ObjectFormat
  /** The packs that the numbers are of, in the set's order. */
  readonly packs: readonly { readonly id: number; readonly count: number }[]
  readonly commits: Uint32Array
  readonly trees: Uint32Array
  readonly times: Float64Array
  /** Rows of parents: row r's are `parents[firstParents[r] … firstParents[r + 1])`. */
  readonly firstParents: Uint32Array
  readonly parents: Uint32Array
  /** Numbers of added trees and blobs, by row in the same way; for each, the number of what it took the place of, or `noOlder`. */
  readonly firstAdded: Uint32Array
  readonly added: Uint32Array
  readonly older: Uint32Array
  /** Annotated tags: number, number of the target; ascending. */
  readonly tags: Uint32Array
}

/** What the tables before a table hold, that goes on where they end; or what a table holds in all. */
export interface HistoryEnd {
  readonly packs: number
  readonly rows: number
  readonly tags: number
}

export const noHistory: HistoryEnd = { packs: 0, rows: 0, tags: 0 }

/** What a table holds, with those before it. */
export function endOf({ packs, commits, tags, prev }: StoredHistory): HistoryEnd {
  return { packs: prev.packs + packs.length, rows: prev.rows + commits.length, tags: prev.tags + tags.length / 2 }
}

/** @throws CorruptError when the table doesn't go on where that ends */
export function assertGoesOn({ prev }: StoredHistory, end: HistoryEnd): void {
  if (prev.packs === end.packs && prev.rows === end.rows && prev.tags === end.tags) return
  throw new CorruptError('history-table', 'a history table does not go on where the one before it ends')
}

/** @param from what tables before it hold: left out of this one */
export function encodeHistory(whole: HistoryParts, from: HistoryEnd = noHistory): Uint8Array {
  const parts = behind(whole, from)
  const isFirst = from.packs === 0
  const words = (values: Uint32Array | Float64Array | BigUint64Array): Uint8Array =>
    new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
  const packs = new BigUint64Array(parts.packs.flatMap(({ id, count }) => [BigInt(id), BigInt(count)]))
  const { bytes, trailerAt } = encodeSections(
    [
      ['PACK', words(packs)],
      ['CMTS', words(parts.commits)],
      ['TREE', words(parts.trees)],
      ['TIME', words(parts.times)],
      ['PARF', words(parts.firstParents)],
      ['PARS', words(parts.parents)],
      ['ADDF', words(parts.firstAdded)],
      ['ADDS', words(parts.added)],
      ['OLDR', words(parts.older)],
      ['TAGS', words(parts.tags)],
      ...(isFirst ? [] : [['PREV', words(BigUint64Array.of(BigInt(from.packs), BigInt(from.rows), BigInt(from.tags)))] as const]),
    ],
    0,
    trailerBytes,
  )
  bytes.write(magic, trailerAt, 'latin1')
  bytes.writeUInt32LE(isFirst ? 1 : 2, trailerAt + 8)
  bytes.writeUInt32LE(hashBytes(parts.format), trailerAt + 12)
  bytes.writeBigUInt64LE(BigInt(parts.commits.length), trailerAt + 16)
  bytes.writeBigUInt64LE(BigInt(parts.packs.length), trailerAt + 24)
  bytes.writeUInt32LE(isFirst ? 10 : 11, trailerAt + 32)
  const hash = createHash('sha256').update(bytes.subarray(0, trailerAt + 40))
  bytes.set(hash.digest(), trailerAt + 40)
  return bytes
}

function behind(whole: HistoryParts, { packs, rows, tags }: HistoryEnd): HistoryParts {
  if (packs === 0) return whole
  const [parent, added] = [whole.firstParents[rows] as number, whole.firstAdded[rows] as number]
  return {
    format: whole.format,
    packs: whole.packs.slice(packs),
    commits: whole.commits.subarray(rows),
    trees: whole.trees.subarray(rows),
    times: whole.times.subarray(rows),
    firstParents: whole.firstParents.subarray(rows).map((at) => at - parent),
    parents: whole.parents.subarray(parent),
    firstAdded: whole.firstAdded.subarray(rows).map((at) => at - added),
    added: whole.added.subarray(added),
    older: whole.older.subarray(added),
    tags: whole.tags.subarray(tags * 2),
  }
}

/** Tables that go on where the one before them ends, as one. @throws CorruptError when one of them goes on elsewhere */
export function joinHistories(tables: readonly StoredHistory[]): HistoryParts {
  const [first] = tables
  if (!first) throw new RangeError('no history table to join')
  let end = noHistory
  const packs: HistoryParts['packs'][number][] = []
  const lists: { readonly firstParents: Uint32Array[]; readonly firstAdded: Uint32Array[] } = { firstParents: [], firstAdded: [] }
  let [parents, added] = [0, 0]
  for (const [i, table] of tables.entries()) {
    assertGoesOn(table, end)
    end = endOf(table)
    packs.push(...table.packs)
    // the first of each is the last of the table before
    const starts = (list: Uint32Array, by: number) => (i === 0 ? list : list.subarray(1).map((at) => at + by))
    lists.firstParents.push(starts(table.firstParents, parents))
    lists.firstAdded.push(starts(table.firstAdded, added))
    parents += table.parents.length
    added += table.added.length
  }
  const all = (pick: (table: StoredHistory) => Uint32Array) => joinWords(tables.map(pick))
  const times = new Float64Array(end.rows)
  let row = 0
  for (const table of tables) {
    times.set(table.times, row)
    row += table.commits.length
  }
  return {
    format: first.format,
    packs,
    commits: all((table) => table.commits),
    trees: all((table) => table.trees),
    times,
    firstParents: joinWords(lists.firstParents),
    parents: all((table) => table.parents),
    firstAdded: joinWords(lists.firstAdded),
    added: all((table) => table.added),
    older: all((table) => table.older),
    tags: all((table) => table.tags),
  }
}

function joinWords(lists: readonly Uint32Array[]): Uint32Array {
  const joined = new Uint32Array(lists.reduce((sum, list) => sum + list.length, 0))
  let at = 0
  for (const list of lists) {
    joined.set(list, at)
    at += list.length
  }
  return joined
}

/** As it is stored: what it holds, behind what tables before it hold. */
export interface StoredHistory extends HistoryParts {
  readonly prev: HistoryEnd
}

/**
 * The parts, as views of the table's bytes, which must begin at a multiple of 8 of their buffer.
 * @throws CorruptError when this is no whole history table of a version that we know; what the hash doesn't cover can't be wrong otherwise
 */
export function decodeHistory(bytes: Uint8Array): StoredHistory {
  const at = bytes.length - trailerBytes
  const buffer = asBuffer(bytes)
  if (at < 0 || buffer.toString('latin1', at, at + 8) !== magic) {
    throw new CorruptError('history-table', 'the value does not end as a history table does')
  }
  if (!versions.includes(buffer.readUInt32LE(at + 8))) {
    throw new CorruptError('history-table', `history-table version ${buffer.readUInt32LE(at + 8)} is not known to this server`)
  }
  const h = buffer.readUInt32LE(at + 12)
  if (h !== 20 && h !== 32) throw new CorruptError('history-table', `object ids of ${h} bytes`)
  const count = Number(buffer.readBigUInt64LE(at + 16))
  const packCount = Number(buffer.readBigUInt64LE(at + 24))
  const sections = decodeSections(bytes, 0, buffer.readUInt32LE(at + 32), trailerBytes)
  const packWords = wordsOf(sections, 'PACK', packCount * 4)
  const packs = new BigUint64Array(packWords.buffer, packWords.byteOffset, packCount * 2)
  const timeWords = wordsOf(sections, 'TIME', count * 2)
  const added = wordsOf(sections, 'ADDS')
  return {
    format: h === 20 ? 'sha1' : 'sha256',
    packs: Array.from({ length: packCount }, (_, i) => ({ id: Number(packs[i * 2]), count: Number(packs[i * 2 + 1]) })),
    commits: wordsOf(sections, 'CMTS', count),
    trees: wordsOf(sections, 'TREE', count),
    times: new Float64Array(timeWords.buffer, timeWords.byteOffset, count),
    firstParents: wordsOf(sections, 'PARF', count + 1),
    parents: wordsOf(sections, 'PARS'),
    firstAdded: wordsOf(sections, 'ADDF', count + 1),
    added,
    older: wordsOf(sections, 'OLDR', added.length),
    tags: wordsOf(sections, 'TAGS'),
    prev: buffer.readUInt32LE(at + 8) === 1 ? noHistory : readEnd(wordsOf(sections, 'PREV', 6)),
  }
}

function readEnd(words: Uint32Array): HistoryEnd {
  const [packs, rows, tags] = new BigUint64Array(words.buffer, words.byteOffset, 3)
  return { packs: Number(packs), rows: Number(rows), tags: Number(tags) }
}

/** CorruptError unless the table's own hash is right: at load, not at each look-up. Whoever has worked out the SHA-256 already hands it in. */
export function assertHistoryHash(
  bytes: Uint8Array,
  sha256: Uint8Array = createHash('sha256')
    .update(bytes.subarray(0, Math.max(0, bytes.length - 32)))
    .digest(),
): void {
  if (bytes.length < 32 || !equalBytes(sha256, bytes.subarray(-32))) {
    throw new CorruptError('history-table', 'a history table does not have the hash that its trailer names')
  }
}
