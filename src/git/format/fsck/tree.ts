// fsck of one tree: its form, its order, its names and modes. What counts and how it is worded follows git's fsck (git-fsck(1), fsck
// msg ids).
// Invariants: one pass; a tree that can't be read further is reported as badTree, and what was seen before still counts.
import type { ObjectFormat } from '../object-id.ts'
import { hashBytes } from '../object-id.ts'
import {
  gitattributesFile,
  gitignoreFile,
  gitmodulesFile,
  isDotFile,
  isDotGit,
  isNtfsDotFile,
  isNtfsDotGit,
  mailmapFile,
  mayBeDisguise,
} from './disguise.ts'
import { add, type FsckId, type Report } from './finding.ts'

const SLASH = 0x2f
const BACKSLASH = 0x5c
const DOT = 0x2e
const TYPE_MASK = 0o170000
const SYMLINK = 0o120000
const FOLDER = 0o040000

// In the order in which git reports them.
const flagged = [
  ['nullSha1', 'contains entries pointing to null sha1'],
  ['fullPathname', 'contains full pathnames'],
  ['hasDot', "contains '.'"],
  ['hasDotdot', "contains '..'"],
  ['hasDotgit', "contains '.git'"],
  ['zeroPaddedFilemode', 'contains zero-padded file modes'],
  ['badFilemode', 'contains bad file modes'],
  ['duplicateEntries', 'contains duplicate file entries'],
  ['treeNotSorted', 'not properly sorted'],
  ['largePathname', 'contains excessively large pathname'],
] as const satisfies readonly (readonly [FsckId, string])[]

interface Entry {
  /** Its low 16 bits, as git reads it. */
  mode: number
  start: number
  nameStart: number
  nameEnd: number
}

/** Adds a tree's findings to the report. */
export function fsckTree(bytes: Uint8Array, format: ObjectFormat, report: Report): void {
  const hashSize = hashBytes(format)
  let entry = newEntry()
  let following = newEntry()
  if (bytes.length === 0) return
  if (!readEntry(bytes, 0, hashSize, entry)) {
    add(report, 'badTree', 'cannot be parsed as a tree')
    return
  }
  const seen = new Set<FsckId>()
  const names = new NameOrder(bytes)
  const isStrict = report.options.strict ?? true
  const largeBytes = report.options.largePathnameBytes ?? 4096
  for (let at = 0; at < bytes.length; ) {
    at = entry.nameEnd + 1 + hashSize
    checkName(bytes, entry, at, report, seen)
    if (entry.nameEnd - entry.nameStart > largeBytes) seen.add('largePathname')
    if (bytes[entry.start] === 0x30) seen.add('zeroPaddedFilemode')
    if (isZero(bytes, entry.nameEnd + 1, at)) seen.add('nullSha1')
    if (at < bytes.length && !readEntry(bytes, at, hashSize, following)) {
      // git reads one entry ahead, so it never judges mode and order of the entry before the unreadable one; nor do we.
      add(report, 'badTree', 'cannot be parsed as a tree')
      break
    }
    if (!isGoodMode(entry.mode, isStrict)) seen.add('badFilemode')
    const order = names.next(entry)
    if (order !== null) seen.add(order)
    const swap = entry
    entry = following
    following = swap
  }
  for (const [id, message] of flagged) if (seen.has(id)) add(report, id, message)
}

function newEntry(): Entry {
  return { mode: 0, start: 0, nameStart: 0, nameEnd: 0 }
}

/** Reads the entry at `at`. Needs a mode of octal digits, a space, a name of at least one byte, NUL and an id; false otherwise. */
function readEntry(bytes: Uint8Array, at: number, hashSize: number, entry: Entry): boolean {
  // git asks that the tree's last id has a NUL before it: then no scan runs past the end.
  if (bytes.length - at < hashSize + 3 || bytes[bytes.length - hashSize - 1] !== 0) return false
  let i = at
  let mode = 0
  for (let digit = bytes[i] ?? 0; digit !== 0x20; digit = bytes[++i] ?? 0) {
    if (digit < 0x30 || digit > 0x37) return false
    mode = ((mode << 3) | (digit - 0x30)) & 0xffff
  }
  if (i === at) return false
  const end = bytes.indexOf(0, i + 1)
  if (end <= i + 1 || end + 1 + hashSize > bytes.length) return false
  entry.mode = mode
  entry.start = at
  entry.nameStart = i + 1
  entry.nameEnd = end
  return true
}

function isGoodMode(mode: number, isStrict: boolean): boolean {
  if (mode === 0o100644 || mode === 0o100755 || mode === FOLDER || mode === SYMLINK || mode === 0o160000) return true
  return mode === 0o100664 && !isStrict
}

function isZero(bytes: Uint8Array, start: number, end: number): boolean {
  let i = start
  while (i < end && bytes[i] === 0) i++
  return i === end
}

function checkName(bytes: Uint8Array, entry: Entry, entryEnd: number, report: Report, seen: Set<FsckId>): void {
  const { nameStart: start, nameEnd: end } = entry
  const oid = () => bytes.subarray(end + 1, entryEnd)
  const isSymlink = (entry.mode & TYPE_MASK) === SYMLINK
  if (bytes[start] === DOT) {
    if (end - start === 1) seen.add('hasDot')
    else if (end - start === 2 && bytes[start + 1] === DOT) seen.add('hasDotdot')
  }
  if (mayBeDisguise(bytes, start)) {
    if (isDotGit(bytes, start, end)) seen.add('hasDotgit')
    if (isDotFile(bytes, start, end, gitmodulesFile)) gitmodules(isSymlink, oid, report)
    if (isDotFile(bytes, start, end, gitattributesFile)) {
      if (isSymlink) add(report, 'gitattributesSymlink', '.gitattributes is a symlink')
      else report.options.onSpecial?.('gitattributes', oid())
    }
    if (isSymlink && isDotFile(bytes, start, end, gitignoreFile)) add(report, 'gitignoreSymlink', '.gitignore is a symlink')
    if (isSymlink && isDotFile(bytes, start, end, mailmapFile)) add(report, 'mailmapSymlink', '.mailmap is a symlink')
  }
  for (let i = start; i < end; i++) {
    if (bytes[i] === SLASH) seen.add('fullPathname')
    // A backslash is a separator to Windows: what follows it is a name there.
    else if (bytes[i] === BACKSLASH) {
      if (isNtfsDotGit(bytes, i + 1, end)) seen.add('hasDotgit')
      if (isNtfsDotFile(bytes, i + 1, end, gitmodulesFile)) gitmodules(isSymlink, oid, report)
    }
  }
}

function gitmodules(isSymlink: boolean, oid: () => Uint8Array, report: Report): void {
  if (isSymlink) add(report, 'gitmodulesSymlink', '.gitmodules is a symbolic link')
  else report.options.onSpecial?.('gitmodules', oid())
}

/**
 * The order of a tree's names: bytewise, a folder's name as if it ended in `/`. Two entries of one name can stand apart then
 * (`a`, `a.b`, `a/`), so files whose name begins the following ones are remembered until a name can't be theirs any more.
 */
class NameOrder {
  readonly #bytes: Uint8Array
  /** Starts and ends, in turn, of remembered file names. */
  readonly #files: number[] = []
  #start = -1
  #end = 0
  #isFolder = false

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  next(entry: Entry): 'duplicateEntries' | 'treeNotSorted' | null {
    const { nameStart, nameEnd } = entry
    const isFolder = (entry.mode & TYPE_MASK) === FOLDER
    const verdict = this.#start < 0 ? null : this.#compare(nameStart, nameEnd, isFolder)
    this.#start = nameStart
    this.#end = nameEnd
    this.#isFolder = isFolder
    return verdict
  }

  #compare(start: number, end: number, isFolder: boolean): 'duplicateEntries' | 'treeNotSorted' | null {
    const bytes = this.#bytes
    const common = Math.min(end - start, this.#end - this.#start)
    for (let i = 0; i < common; i++) {
      const a = bytes[this.#start + i] ?? 0
      const b = bytes[start + i] ?? 0
      if (a !== b) return a < b ? null : 'treeNotSorted'
    }
    if (end - start === this.#end - this.#start) return 'duplicateEntries'
    const a = this.#start + common < this.#end ? (bytes[this.#start + common] ?? 0) : this.#isFolder ? SLASH : 0
    const b = start + common < end ? (bytes[start + common] ?? 0) : isFolder ? SLASH : 0
    if (a === 0 && b > 0 && b < SLASH) this.#files.push(this.#start, this.#end)
    else if (b === SLASH && a > 0 && a < SLASH && this.#isRemembered(start, end)) return 'duplicateEntries'
    return a < b ? null : 'treeNotSorted'
  }

  /** Whether the folder's name was a file's; forgets files that no later name can repeat. */
  #isRemembered(start: number, end: number): boolean {
    const bytes = this.#bytes
    while (this.#files.length > 0) {
      const fileEnd = this.#files.pop() ?? 0
      const fileStart = this.#files.pop() ?? 0
      const size = fileEnd - fileStart
      if (size > end - start || Buffer.compare(bytes.subarray(fileStart, fileEnd), bytes.subarray(start, start + size)) !== 0) continue
      if (size === end - start) return true
      if ((bytes[start + size] ?? 0) < SLASH) {
        this.#files.push(fileStart, fileEnd)
        return false
      }
    }
    return false
  }
}
