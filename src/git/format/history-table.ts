// A history table: a network's commits as numbers, and what each of them adds to its parents. docs/design/history-key.md gives every byte.
// Read in place through typed arrays; loading costs no decoding. Pure.
import { createHash } from 'node:crypto'
import { asBuffer, CorruptError, decodeSections, encodeSections, equalBytes, wordsOf } from '../../base/index.ts'
import { hashBytes, type ObjectFormat } from './object-id.ts'

const magic = 'STEMHIST'
const version = 1
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

export function encodeHistory(parts: HistoryParts): Uint8Array {
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
    ],
    0,
    trailerBytes,
  )
  bytes.write(magic, trailerAt, 'latin1')
  bytes.writeUInt32LE(version, trailerAt + 8)
  bytes.writeUInt32LE(hashBytes(parts.format), trailerAt + 12)
  bytes.writeBigUInt64LE(BigInt(parts.commits.length), trailerAt + 16)
  bytes.writeBigUInt64LE(BigInt(parts.packs.length), trailerAt + 24)
  bytes.writeUInt32LE(10, trailerAt + 32)
  const hash = createHash('sha256').update(bytes.subarray(0, trailerAt + 40))
  bytes.set(hash.digest(), trailerAt + 40)
  return bytes
}

/**
 * The parts, as views of the table's bytes, which must begin at a multiple of 8 of their buffer.
 * @throws CorruptError when this is no whole history table of a version that we know; what the hash doesn't cover can't be wrong otherwise
 */
export function decodeHistory(bytes: Uint8Array): HistoryParts {
  const at = bytes.length - trailerBytes
  const buffer = asBuffer(bytes)
  if (at < 0 || buffer.toString('latin1', at, at + 8) !== magic) {
    throw new CorruptError('history-table', 'the value does not end as a history table does')
  }
  if (buffer.readUInt32LE(at + 8) !== version) {
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
  }
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
