// Commits: which tree, which parents, who, when, why. `parseCommitLinks` is for walks, `decodeCommit` for showing one.
import { InputError, latin1 } from '../../base/index.ts'
import { decodeHeaderBlock, decodeText, findHeader, type Header, type HeaderBlock, type Identity, parseIdentity } from './header-block.ts'
import { hashBytes, type ObjectFormat, type ObjectId, parseObjectId } from './object-id.ts'

const NEWLINE = 0x0a
const treeWord = Uint8Array.from('tree ', (char) => char.charCodeAt(0))
const parentWord = Uint8Array.from('parent ', (char) => char.charCodeAt(0))
const committerWord = Uint8Array.from('committer ', (char) => char.charCodeAt(0))

/** Where a commit's links stand: offsets of ids in hex. Parent n's id begins at `parentsAt + n * parentStride`. */
export interface CommitLinks {
  readonly treeAt: number
  readonly parentsAt: number
  readonly parentCount: number
  readonly parentStride: number
  /** Seconds since 1970; 0 when the committer's date can't be read, as git takes it. */
  readonly committerTime: number
}

/** Reads a commit's links and nothing else. Takes every commit that git's own walks take. InputError `commit-malformed`. */
export function parseCommitLinks(bytes: Uint8Array, format: ObjectFormat): CommitLinks {
  const hexSize = hashBytes(format) * 2
  const treeAt = treeWord.length
  if (!begins(bytes, 0, treeWord) || !isHexLine(bytes, treeAt, hexSize)) throw new InputError('commit-malformed', 'bogus commit: no tree')
  const parentsAt = treeAt + hexSize + 1 + parentWord.length
  const parentStride = parentWord.length + hexSize + 1
  let parentCount = 0
  let at = treeAt + hexSize + 1
  while (begins(bytes, at, parentWord)) {
    if (!isHexLine(bytes, at + parentWord.length, hexSize)) throw new InputError('commit-malformed', 'bogus commit: bad parent')
    parentCount++
    at += parentStride
  }
  return { treeAt, parentsAt, parentCount, parentStride, committerTime: committerTime(bytes, at) }
}

function begins(bytes: Uint8Array, at: number, word: Uint8Array): boolean {
  for (let i = 0; i < word.length; i++) if (bytes[at + i] !== word[i]) return false
  return true
}

function isHexLine(bytes: Uint8Array, at: number, hexSize: number): boolean {
  if (bytes[at + hexSize] !== NEWLINE) return false
  for (let i = at; i < at + hexSize; i++) if ((nibbles[bytes[i] as number] as number) < 0) return false
  return true
}

/** The value of a hex digit in lowercase, or −1, by its byte. */
const nibbles = Int8Array.from({ length: 256 }, (_, byte) => '0123456789abcdef'.indexOf(String.fromCharCode(byte)))

/** Writes the id that stands in hex at `at` (as `parseCommitLinks` found it) to `out` as packed bytes. */
export function readHexId(bytes: Uint8Array, at: number, format: ObjectFormat, out: Uint8Array, outAt = 0): void {
  const size = hashBytes(format)
  for (let i = 0; i < size; i++) {
    const high = nibbles[bytes[at + 2 * i] as number] as number
    const low = nibbles[bytes[at + 2 * i + 1] as number] as number
    out[outAt + i] = (high << 4) | low
  }
}

/** git's rule: digits behind the last `>` of the `committer` line, the second line after the parents. */
function committerTime(bytes: Uint8Array, from: number): number {
  let at = from
  while (at < bytes.length && bytes[at] !== NEWLINE && !begins(bytes, at, committerWord)) {
    const end = bytes.indexOf(NEWLINE, at)
    if (end === -1) return 0
    at = end + 1
  }
  const end = bytes.indexOf(NEWLINE, at)
  let i = (end === -1 ? bytes.length : end) - 1
  while (i > at && bytes[i] !== 0x3e) i--
  if (i <= at) return 0
  i++
  while (bytes[i] === 0x20) i++
  let time = 0
  for (let digit = bytes[i] ?? 0; digit >= 0x30 && digit <= 0x39; digit = bytes[++i] ?? 0) {
    time = time * 10 + digit - 0x30
    // Nonsense beyond what a double holds counts as the end of time.
    if (time > Number.MAX_SAFE_INTEGER) return Number.MAX_SAFE_INTEGER
  }
  return time
}

/** A whole commit, for showing. Views into its bytes. */
export interface Commit {
  readonly tree: ObjectId
  readonly parents: readonly ObjectId[]
  readonly author: Identity | null
  readonly committer: Identity | null
  /** As the commit names it; null means UTF-8. */
  readonly encoding: string | null
  /** The message as text, by the encoding. */
  readonly message: string
  /** The signature of `gpgsig` (or `gpgsig-sha256`), with its newlines; null when there is none. */
  readonly signature: string | null
  /** The tags that a merge brought in (`mergetag`), each as a tag object's bytes. */
  readonly mergeTags: readonly Uint8Array[]
  /** All headers in order, those above too. */
  readonly headers: readonly Header[]
}

/** Reads a whole commit. InputError `commit-malformed` or `object-headers`. */
export function decodeCommit(bytes: Uint8Array, format: ObjectFormat): Commit {
  const block = decodeHeaderBlock(bytes)
  const id = (value: Uint8Array | null): ObjectId => {
    const oid = value === null ? null : parseObjectId(latin1(value), format)
    if (oid === null) throw new InputError('commit-malformed', 'bogus commit: bad tree or parent')
    return oid
  }
  if (block.headers[0]?.name !== 'tree') throw new InputError('commit-malformed', 'bogus commit: no tree')
  const all = (name: string) => block.headers.filter((header) => header.name === name)
  const encodingBytes = findHeader(block, 'encoding')
  const encoding = encodingBytes === null ? null : latin1(encodingBytes)
  const signature = findHeader(block, format === 'sha1' ? 'gpgsig' : 'gpgsig-sha256')
  return {
    tree: id(block.headers[0].value),
    parents: all('parent').map((header) => id(header.value)),
    author: identity(block, 'author', encoding),
    committer: identity(block, 'committer', encoding),
    encoding,
    message: block.message === null ? '' : decodeText(block.message, encoding ?? undefined),
    signature: signature === null ? null : latin1(signature),
    mergeTags: all('mergetag').flatMap((header) => (header.value === null ? [] : [header.value])),
    headers: block.headers,
  }
}

function identity(block: HeaderBlock, name: string, encoding: string | null): Identity | null {
  const value = findHeader(block, name)
  return value === null ? null : parseIdentity(value, encoding ?? undefined)
}
