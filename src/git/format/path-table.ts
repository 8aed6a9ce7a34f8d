// A path table's part: commits by row, and for each path the commits that changed it against their first parent. docs/design/paths-key.md gives
// every byte. Read in place through typed arrays; loading costs no decoding. Pure.
import { createHash } from 'node:crypto'
import { asBuffer, CorruptError, decodeSections, encodeSections, equalBytes, sectionOf, wordsOf } from '../../base/index.ts'
import { hashBytes, type ObjectFormat } from './object-id.ts'
import { Mode } from './tree.ts'

const magic = 'STEMPATH'
const version = 1
const trailerBytes = 72
const sectionCount = 10

/** A value's kind, as git tells kinds of entries apart. */
const modes = [Mode.file, Mode.executable, Mode.symlink, Mode.tree, Mode.gitlink] as const
const codeBits = 8
export const treeCode = 3
/** In place of a value: nothing stands at the path any more. */
export const goneValue = 0xffffffff

/** The code of a mode as it stands in a tree: files have two, whatever else their mode says. */
export function modeCode(mode: number): number {
  const type = mode & 0o170000
  if (type === 0o100000) return (mode & 0o100) === 0 ? 0 : 1
  return type === Mode.tree ? treeCode : type === Mode.symlink ? 2 : 4
}

/** The mode that a value's code stands for. */
export function modeOf(code: number): number {
  return modes[code] as number
}

/** A value: the code of its mode, and the place of its id. */
export function packValue(code: number, place: number): number {
  return place * codeBits + code
}

export function codeOf(value: number): number {
  return value % codeBits
}

export function placeOf(value: number): number {
  return Math.floor(value / codeBits)
}

/** What a part holds. Rows count on from part to part. */
export interface PathTable {
  readonly format: ObjectFormat
  /** The row of the first commit. */
  readonly firstRow: number
  /** Ids of the commits, packed, by row; parents stand in lower rows. */
  readonly ids: Uint8Array
  readonly times: Float64Array
  /** Of the part's commit c: its parents' rows are `parents[firstParents[c] … firstParents[c + 1])`. */
  readonly firstParents: Uint32Array
  readonly parents: Uint32Array
  /** `folder NUL name` of each path, ascending as bytes, and where they begin in `keys`; one more than the last, too. */
  readonly keys: Uint8Array
  readonly firstKeys: Uint32Array
  /** Path p was changed by `rows[firstRows[p] … firstRows[p + 1])`, ascending, to the `values` at the same places. */
  readonly firstRows: Uint32Array
  readonly rows: Uint32Array
  readonly values: Uint32Array
  /** Ids of blobs, trees and submodules' commits, packed, each once. */
  readonly valueIds: Uint8Array
}

export function encodePathTable(table: PathTable): Uint8Array {
  const bytesOf = (values: Uint32Array | Float64Array | Uint8Array): Uint8Array =>
    new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
  const { bytes, trailerAt } = encodeSections(
    [
      ['CMTS', table.ids],
      ['TIME', bytesOf(table.times)],
      ['PARF', bytesOf(table.firstParents)],
      ['PARS', bytesOf(table.parents)],
      ['KEYS', table.keys],
      ['KEYF', bytesOf(table.firstKeys)],
      ['CHGF', bytesOf(table.firstRows)],
      ['CHGR', bytesOf(table.rows)],
      ['CHGV', bytesOf(table.values)],
      ['VALS', table.valueIds],
    ],
    0,
    trailerBytes,
  )
  bytes.write(magic, trailerAt, 'latin1')
  bytes.writeUInt32LE(version, trailerAt + 8)
  bytes.writeUInt32LE(hashBytes(table.format), trailerAt + 12)
  bytes.writeBigUInt64LE(BigInt(table.times.length), trailerAt + 16)
  bytes.writeBigUInt64LE(BigInt(table.firstRow), trailerAt + 24)
  bytes.writeUInt32LE(sectionCount, trailerAt + 32)
  const hash = createHash('sha256').update(bytes.subarray(0, trailerAt + 40))
  bytes.set(hash.digest(), trailerAt + 40)
  return bytes
}

/**
 * The table as views of its bytes, which must begin at a multiple of 8 of their buffer.
 * @throws CorruptError when this is no whole part of a version that we know; what the hash doesn't cover can't be wrong otherwise
 */
export function decodePathTable(bytes: Uint8Array): PathTable {
  const at = bytes.length - trailerBytes
  const buffer = asBuffer(bytes)
  if (at < 0 || buffer.toString('latin1', at, at + 8) !== magic) throw corrupt('the value does not end as a path table does')
  if (buffer.readUInt32LE(at + 8) !== version)
    throw corrupt(`path-table version ${buffer.readUInt32LE(at + 8)} is not known to this server`)
  const h = buffer.readUInt32LE(at + 12)
  if (h !== 20 && h !== 32) throw corrupt(`object ids of ${h} bytes`)
  const count = Number(buffer.readBigUInt64LE(at + 16))
  const sections = decodeSections(bytes, 0, buffer.readUInt32LE(at + 32), trailerBytes)
  const timeWords = wordsOf(sections, 'TIME', count * 2)
  const firstKeys = wordsOf(sections, 'KEYF')
  const rows = wordsOf(sections, 'CHGR')
  return {
    format: h === 20 ? 'sha1' : 'sha256',
    firstRow: Number(buffer.readBigUInt64LE(at + 24)),
    ids: sectionOf(sections, 'CMTS', count * h),
    times: new Float64Array(timeWords.buffer, timeWords.byteOffset, count),
    firstParents: wordsOf(sections, 'PARF', count + 1),
    parents: wordsOf(sections, 'PARS'),
    keys: sectionOf(sections, 'KEYS', firstKeys.at(-1) ?? 0),
    firstKeys,
    firstRows: wordsOf(sections, 'CHGF', firstKeys.length),
    rows,
    values: wordsOf(sections, 'CHGV', rows.length),
    valueIds: sectionOf(sections, 'VALS'),
  }
}

/** CorruptError unless the part's own hash is right: at load, not at each look-up. @param sha256 of all but its last 32 bytes */
export function assertPathTableHash(bytes: Uint8Array, sha256: Uint8Array): void {
  if (bytes.length < 32 || !equalBytes(sha256, bytes.subarray(-32)))
    throw corrupt('a path table does not have the hash that its trailer names')
}

function corrupt(what: string): CorruptError {
  return new CorruptError('path-table', what)
}
