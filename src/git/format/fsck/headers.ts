// What commits and tags share: the header block, ids in hex, and identities (`Name <email> 1700000000 +0100`).
// Reading follows git's fsck: a cursor goes from line to line; the header block is known to end in a newline before anything else is read.
import { latin1 } from '../../../base/index.ts'
import { hashBytes, type ObjectFormat } from '../object-id.ts'
import { add, type FsckId, type Report } from './finding.ts'

const NEWLINE = 0x0a
const SPACE = 0x20

/** Reads a header block line by line. `at` is the start of the next line. */
export interface HeaderCursor {
  readonly bytes: Uint8Array
  at: number
}

/** True when the header block ends as it should: an empty line, or the object's last newline, before any NUL. */
export function checkHeaderBlock(bytes: Uint8Array, report: Report): boolean {
  const nul = bytes.indexOf(0)
  const limit = nul === -1 ? bytes.length : nul
  for (let i = bytes.indexOf(NEWLINE); i !== -1 && i < limit; i = bytes.indexOf(NEWLINE, i + 1)) {
    if (bytes[i + 1] === NEWLINE) return true
  }
  if (nul !== -1) add(report, 'nulInHeader', `unterminated header: NUL at offset ${nul}`)
  else if (bytes[bytes.length - 1] === NEWLINE) return true
  else add(report, 'unterminatedHeader', 'unterminated header')
  return false
}

/** Steps over a keyword and its space, if the line begins with them. */
export function skip(cursor: HeaderCursor, keyword: string): boolean {
  const { bytes, at } = cursor
  for (let i = 0; i < keyword.length; i++) if (bytes[at + i] !== keyword.charCodeAt(i)) return false
  cursor.at += keyword.length
  return true
}

/** More of a line is not looked at: no name or date is that long, and strings have a largest size. */
const MAX_LINE = 1 << 20

/** Steps over the rest of the line; what stood there (its first MiB), as Latin-1. Null, and no step, when there is no newline. */
export function takeLine(cursor: HeaderCursor): string | null {
  const end = cursor.bytes.indexOf(NEWLINE, cursor.at)
  if (end === -1) return null
  const line = latin1(cursor.bytes.subarray(cursor.at, Math.min(end, cursor.at + MAX_LINE)))
  cursor.at = end + 1
  return line
}

/** Steps over the line; true when it is exactly one id in hex (of either case, as git reads it). */
export function takeId(cursor: HeaderCursor, format: ObjectFormat): boolean {
  const line = takeLine(cursor)
  return line !== null && line.length === hashBytes(format) * 2 && /^[0-9a-fA-F]+$/.test(line)
}

/** Steps over an identity line. True when an error was found. */
export function fsckIdentity(cursor: HeaderCursor, report: Report): boolean {
  const line = takeLine(cursor) ?? ''
  const problem = identityProblem(line)
  return problem !== null && add(report, problem[0], `invalid author/committer line - ${problem[1]}`)
}

function identityProblem(line: string): readonly [FsckId, string] | null {
  const open = line.search(/[<>]/)
  if (open === 0 && line[0] === '<') return ['missingNameBeforeEmail', 'missing space before email']
  if (open === -1) return ['missingEmail', 'missing email']
  if (line[open] === '>') return ['badName', 'bad name']
  if (line[open - 1] !== ' ') return ['missingSpaceBeforeEmail', 'missing space before email']
  const closed = line.slice(open + 1).search(/[<>]/)
  if (closed === -1 || line[open + 1 + closed] === '<') return ['badEmail', 'bad email']
  return dateProblem(line.slice(open + 1 + closed + 1))
}

function dateProblem(rest: string): readonly [FsckId, string] | null {
  if (rest.charCodeAt(0) !== SPACE) return ['missingSpaceBeforeDate', 'missing space before date']
  const date = rest.slice(1).replace(/^[ \t]+/, '')
  const digits = /^[0-9]*/.exec(date)?.[0] ?? ''
  if (digits === '') return ['badDate', 'bad date']
  if (digits.startsWith('0') && date[1] !== ' ') return ['zeroPaddedDate', 'zero-padded date']
  // git's limit is a signed 64-bit time.
  if (digits.length > 19 || BigInt(digits) > 0x7fff_ffff_ffff_ffffn) return ['badDateOverflow', 'date causes integer overflow']
  if (date[digits.length] !== ' ') return ['badDate', 'bad date']
  return /^[+-][0-9]{4}$/.test(date.slice(digits.length + 1)) ? null : ['badTimezone', 'bad time zone']
}
