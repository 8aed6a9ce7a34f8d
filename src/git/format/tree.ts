// Trees: entries `mode SP name NUL id`, sorted by name as bytes, a folder's name counting as if it ended in `/`.
// Invariant: the cursor allocates nothing; it refuses what it can't read, and judges nothing else (names and order are fsck's).
import { concatBytes, InputError } from '../../base/index.ts'
import { hashBytes, type ObjectFormat } from './object-id.ts'

/** File modes that trees hold. */
export const Mode = { file: 0o100644, executable: 0o100755, symlink: 0o120000, tree: 0o040000, gitlink: 0o160000 } as const

const TYPE_MASK = 0o170000

/** True for the mode of a subtree. */
export function isTreeMode(mode: number): boolean {
  return (mode & TYPE_MASK) === Mode.tree
}

/** True for the mode of a submodule: its id is a commit of another repository. */
export function isGitlinkMode(mode: number): boolean {
  return (mode & TYPE_MASK) === Mode.gitlink
}

/** The entry that a cursor stands on: offsets into `bytes`. The id is `bytes[oidStart, end)`. */
export interface TreeCursor {
  readonly bytes: Uint8Array
  readonly hashSize: number
  mode: number
  nameStart: number
  nameEnd: number
  oidStart: number
  /** Where the next entry starts. */
  end: number
}

/** A cursor before the first entry. */
export function newTreeCursor(bytes: Uint8Array, format: ObjectFormat): TreeCursor {
  return { bytes, hashSize: hashBytes(format), mode: 0, nameStart: 0, nameEnd: 0, oidStart: 0, end: 0 }
}

/** Steps to the next entry; false behind the last. InputError `tree-malformed`. */
export function nextTreeEntry(cursor: TreeCursor): boolean {
  const { bytes, end: start } = cursor
  if (start === bytes.length) return false
  let i = start
  let mode = 0
  for (let digit = bytes[i] ?? 0; digit !== 0x20; digit = bytes[++i] ?? 0) {
    if (digit < 0x30 || digit > 0x37) throw malformed('malformed mode in tree entry')
    mode = ((mode << 3) | (digit - 0x30)) & 0xffff
  }
  if (i === start) throw malformed('malformed mode in tree entry')
  let nameEnd = i + 1
  while (nameEnd < bytes.length && bytes[nameEnd] !== 0) nameEnd++
  if (nameEnd === i + 1) throw malformed('empty filename in tree entry')
  const end = nameEnd + 1 + cursor.hashSize
  if (end > bytes.length) throw malformed('too-short tree object')
  cursor.mode = mode
  cursor.nameStart = i + 1
  cursor.nameEnd = nameEnd
  cursor.oidStart = nameEnd + 1
  cursor.end = end
  return true
}

function malformed(what: string): InputError {
  return new InputError('tree-malformed', what)
}

/** One entry on its own, where allocation doesn't matter. */
export interface TreeEntry {
  readonly mode: number
  readonly name: Uint8Array
  readonly oid: Uint8Array
}

/** All entries, as views. InputError `tree-malformed`. */
export function decodeTree(bytes: Uint8Array, format: ObjectFormat): TreeEntry[] {
  const cursor = newTreeCursor(bytes, format)
  const entries: TreeEntry[] = []
  while (nextTreeEntry(cursor)) {
    const { mode, nameStart, nameEnd, oidStart, end } = cursor
    entries.push({ mode, name: bytes.subarray(nameStart, nameEnd), oid: bytes.subarray(oidStart, end) })
  }
  return entries
}

/** The tree of these entries in the order given (see `compareTreeEntries`). */
export function encodeTree(entries: readonly TreeEntry[]): Uint8Array {
  return concatBytes(entries.flatMap(({ mode, name, oid }) => [Buffer.from(`${mode.toString(8)} `, 'latin1'), name, Uint8Array.of(0), oid]))
}

/** The order of entries in a tree (git's base_name_compare). */
export function compareTreeEntries(a: Pick<TreeEntry, 'mode' | 'name'>, b: Pick<TreeEntry, 'mode' | 'name'>): number {
  return compareTreeNames(a.name, 0, a.name.length, isTreeMode(a.mode), b.name, 0, b.name.length, isTreeMode(b.mode))
}

/** The same order over ranges of bytes, for walks over two trees side by side. */
export function compareTreeNames(
  a: Uint8Array,
  aStart: number,
  aEnd: number,
  aIsTree: boolean,
  b: Uint8Array,
  bStart: number,
  bEnd: number,
  bIsTree: boolean,
): number {
  const common = Math.min(aEnd - aStart, bEnd - bStart)
  for (let i = 0; i < common; i++) {
    const difference = (a[aStart + i] as number) - (b[bStart + i] as number)
    if (difference !== 0) return difference
  }
  return byteAfter(a, aStart + common, aEnd, aIsTree) - byteAfter(b, bStart + common, bEnd, bIsTree)
}

function byteAfter(name: Uint8Array, at: number, end: number, isTree: boolean): number {
  return at < end ? (name[at] as number) : isTree ? 0x2f : 0
}
