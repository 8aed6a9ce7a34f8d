// Names that a file system takes for `.git` or one of git's own files: HFS+ ignores some code points and case; NTFS ignores case and
// trailing dots and spaces, knows streams (`:…`) and 8.3 short names (`git~1`, `gitmod~1`, `gi7eba~1`).
// Which names count is git's decision (path.c, utf8.c): a client refuses to check them out, so we refuse to keep them.
// Invariant: names are bytes[start, end) without NUL; nothing is allocated.

/** A file of git's that lives in trees, with the first six letters of its NTFS fallback short name. */
export interface DotFile {
  readonly name: Uint8Array
  readonly shortPrefix: Uint8Array
}

const ascii = (text: string) => Uint8Array.from(text, (char) => char.charCodeAt(0))
const dotFile = (name: string, shortPrefix: string): DotFile => ({ name: ascii(name), shortPrefix: ascii(shortPrefix) })

export const gitmodulesFile = dotFile('gitmodules', 'gi7eba')
export const gitattributesFile = dotFile('gitattributes', 'gi7d29')
export const gitignoreFile = dotFile('gitignore', 'gi250a')
export const mailmapFile = dotFile('mailmap', 'maba30')

const git = ascii('git')
const DOT = 0x2e
const SPACE = 0x20
const COLON = 0x3a
const SLASH = 0x2f
const BACKSLASH = 0x5c
const TILDE = 0x7e

/** True when a name may be a disguise at all: most names end here. */
export function mayBeDisguise(bytes: Uint8Array, start: number): boolean {
  const first = bytes[start] ?? 0
  // `.`, g and m in either case, `~` (a short name may consist of its number only), and the first bytes of HFS+'s ignorable code points.
  return first === DOT || (first | 32) === 0x67 || (first | 32) === 0x6d || first === TILDE || first === 0xe2 || first === 0xef
}

/** `.git` to HFS+ or NTFS. */
export function isDotGit(bytes: Uint8Array, start: number, end: number): boolean {
  return isHfsName(bytes, start, end, git) || isNtfsDotGit(bytes, start, end)
}

/** That dot file to HFS+ or NTFS. */
export function isDotFile(bytes: Uint8Array, start: number, end: number, file: DotFile): boolean {
  return isHfsName(bytes, start, end, file.name) || isNtfsDotFile(bytes, start, end, file)
}

/** `.git` or `git~1`, then dots and spaces, then the end, a separator or a stream. */
export function isNtfsDotGit(bytes: Uint8Array, start: number, end: number): boolean {
  const at = (i: number) => (i < end ? (bytes[i] ?? 0) : 0)
  let i: number
  if (at(start) === DOT && sameLetters(bytes, start + 1, end, git, 3)) i = start + 4
  else if (sameLetters(bytes, start, end, git, 3) && at(start + 3) === TILDE && at(start + 4) === 0x31) i = start + 5
  else return false
  while (at(i) === DOT || at(i) === SPACE) i++
  return i >= end || at(i) === SLASH || at(i) === BACKSLASH || at(i) === COLON
}

/** The name itself, its regular short name (`gitmod~1` to `~4`), or its fallback short name (up to six letters, `~`, a number). */
export function isNtfsDotFile(bytes: Uint8Array, start: number, end: number, file: DotFile): boolean {
  const at = (i: number) => (i < end ? (bytes[i] ?? 0) : 0)
  const { name } = file
  if (at(start) === DOT && sameLetters(bytes, start + 1, end, name, name.length)) return endsAfter(bytes, start + 1 + name.length, end)
  if (sameLetters(bytes, start, end, name, 6) && at(start + 6) === TILDE && at(start + 7) >= 0x31 && at(start + 7) <= 0x34) {
    return endsAfter(bytes, start + 8, end)
  }
  return isFallbackShortName(bytes, start, end, file.shortPrefix) && endsAfter(bytes, start + 8, end)
}

function isFallbackShortName(bytes: Uint8Array, start: number, end: number, prefix: Uint8Array): boolean {
  if (end - start < 8) return false
  let letters = 0
  while (letters < 6 && lower(bytes[start + letters] ?? 0) === prefix[letters]) letters++
  const tilde = start + letters
  if (bytes[tilde] !== TILDE) return false
  if (tilde + 1 >= start + 8) return false
  for (let i = tilde + 1; i < start + 8; i++) {
    const digit = bytes[i] ?? 0
    if (digit < 0x30 || digit > 0x39) return false
  }
  return bytes[tilde + 1] !== 0x30
}

function endsAfter(bytes: Uint8Array, from: number, end: number): boolean {
  let i = from
  while (i < end && (bytes[i] === DOT || bytes[i] === SPACE)) i++
  return i >= end || bytes[i] === COLON
}

function sameLetters(bytes: Uint8Array, start: number, end: number, letters: Uint8Array, count: number): boolean {
  if (end - start < count) return false
  for (let i = 0; i < count; i++) if (lower(bytes[start + i] ?? 0) !== letters[i]) return false
  return true
}

/** `.` and the letters, with ignorable code points anywhere between; malformed UTF-8 ends the name, as in git. */
export function isHfsName(bytes: Uint8Array, start: number, end: number, letters: Uint8Array): boolean {
  let i = skipIgnorable(bytes, start, end)
  if (i >= end || bytes[i] !== DOT) return false
  i++
  for (const letter of letters) {
    i = skipIgnorable(bytes, i, end)
    if (i >= end || lower(bytes[i] ?? 0) !== letter) return false
    i++
  }
  i = skipIgnorable(bytes, i, end)
  return i >= end || bytes[i] === SLASH || codePointLength(bytes, i, end) === 0
}

function skipIgnorable(bytes: Uint8Array, from: number, end: number): number {
  let i = from
  while (i + 2 < end && isIgnorable(bytes[i] ?? 0, bytes[i + 1] ?? 0, bytes[i + 2] ?? 0)) i += 3
  return i
}

/** U+200C–200F, 202A–202E, 206A–206F and FEFF, as UTF-8. */
function isIgnorable(a: number, b: number, c: number): boolean {
  if (a === 0xef) return b === 0xbb && c === 0xbf
  if (a !== 0xe2) return false
  if (b === 0x80) return (c >= 0x8c && c <= 0x8f) || (c >= 0xaa && c <= 0xae)
  return b === 0x81 && c >= 0xaa && c <= 0xaf
}

/** Bytes of the code point that begins there, 0 when it is malformed by git's measure (noncharacters U+FFFE and U+FFFF included). */
function codePointLength(bytes: Uint8Array, at: number, end: number): number {
  const a = bytes[at] ?? 0
  const length = a < 0x80 ? 1 : a >= 0xc2 && a < 0xe0 ? 2 : (a & 0xf0) === 0xe0 ? 3 : a >= 0xf0 && a <= 0xf4 ? 4 : 0
  if (length < 2) return length
  for (let i = 1; i < length; i++) if (at + i >= end || ((bytes[at + i] ?? 0) & 0xc0) !== 0x80) return 0
  const b = bytes[at + 1] ?? 0
  if ((a === 0xe0 && b < 0xa0) || (a === 0xed && b >= 0xa0) || (a === 0xf0 && b < 0x90) || (a === 0xf4 && b > 0x8f)) return 0
  return a === 0xef && b === 0xbf && (bytes[at + 2] ?? 0) >= 0xbe ? 0 : length
}

function lower(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte + 32 : byte
}
