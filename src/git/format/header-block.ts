// What commits and tags are written in: lines `name SP value`, continued on lines that begin with a space, then an empty line and
// the message.
// Invariant: encode(decode(bytes)) is the same bytes, for every block that decode takes.
import { asBuffer, concatBytes, InputError, latin1, utf8 } from '../../base/index.ts'

const NEWLINE = 0x0a
const SPACE = 0x20

/** One header. Values are bytes: their text has the encoding that the object names. A line without a space has no value. */
export interface Header {
  /** Latin-1: one character for each byte. */
  readonly name: string
  /** Continuation lines joined by newlines, without the spaces that lead them. */
  readonly value: Uint8Array | null
}

export interface HeaderBlock {
  readonly headers: readonly Header[]
  /** After the empty line; null when the object ends with its headers. A view. */
  readonly message: Uint8Array | null
}

/** InputError `object-headers`: a line without end, or a continuation of nothing. */
export function decodeHeaderBlock(bytes: Uint8Array): HeaderBlock {
  const headers: Header[] = []
  let at = 0
  while (at < bytes.length) {
    if (bytes[at] === NEWLINE) return { headers, message: bytes.subarray(at + 1) }
    let end = lineEnd(bytes, at)
    const parts = [bytes.subarray(at, end)]
    if (bytes[at] === SPACE) throw new InputError('object-headers', 'bad header: a continuation line continues nothing')
    const space = bytes.subarray(at, end).indexOf(SPACE)
    // A line without value can't be continued without becoming another one: it stands alone.
    while (space !== -1 && bytes[end + 1] === SPACE) {
      const next = lineEnd(bytes, end + 1)
      parts.push(bytes.subarray(end + 2, next))
      end = next
    }
    headers.push(decodeHeader(bytes.subarray(at, at + (parts[0]?.length ?? 0)), space, parts))
    at = end + 1
  }
  return { headers, message: null }
}

function lineEnd(bytes: Uint8Array, at: number): number {
  const end = bytes.indexOf(NEWLINE, at)
  if (end === -1) throw new InputError('object-headers', 'bad header: the last line has no end')
  return end
}

function decodeHeader(line: Uint8Array, space: number, parts: readonly Uint8Array[]): Header {
  if (space === -1) return { name: latin1(line), value: null }
  const first = line.subarray(space + 1)
  const value = parts.length === 1 ? first : joinLines([first, ...parts.slice(1)])
  return { name: latin1(line.subarray(0, space)), value }
}

function joinLines(lines: readonly Uint8Array[]): Uint8Array {
  const newline = Uint8Array.of(NEWLINE)
  return concatBytes(lines.flatMap((line, i) => (i === 0 ? [line] : [newline, line])))
}

/** The bytes of such a block. Names are without space and newline, as decode gives them. */
export function encodeHeaderBlock(block: HeaderBlock): Uint8Array {
  const parts: Uint8Array[] = []
  for (const { name, value } of block.headers) {
    parts.push(Buffer.from(value === null ? name : `${name} `, 'latin1'))
    if (value !== null) parts.push(Buffer.from(latin1(value).replaceAll('\n', '\n '), 'latin1'))
    parts.push(Uint8Array.of(NEWLINE))
  }
  if (block.message !== null) parts.push(Uint8Array.of(NEWLINE), block.message)
  return concatBytes(parts)
}

/** The first header of that name, or null. */
export function findHeader(block: HeaderBlock, name: string): Uint8Array | null {
  return block.headers.find((header) => header.name === name)?.value ?? null
}

/** Text in the encoding that a commit names (git's `encoding` header), UTF-8 by default, Latin-1 where it is unknown or doesn't fit. */
export function decodeText(bytes: Uint8Array, encoding = 'utf-8'): string {
  try {
    return new TextDecoder(encoding, { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return asBuffer(bytes).toString('latin1')
  }
}

/** Who did something when: `Name <email> 1700000000 +0100`. */
export interface Identity {
  readonly name: string
  readonly email: string
  /** Since 1970; null when the date can't be read. */
  readonly seconds: number | null
  /** As written, `+0100`; empty when there is none. */
  readonly timezone: string
  /** Minutes east of UTC; 0 when the zone can't be read. */
  readonly offsetMinutes: number
}

/**
 * Reads any identity line, odd ones too, as git's own readers do: the email between the first `<` and the first `>` after it. Never
 * throws.
 */
export function parseIdentity(line: Uint8Array, encoding?: string): Identity {
  const text = decodeText(line, encoding)
  const open = text.indexOf('<')
  const close = open === -1 ? -1 : text.indexOf('>', open)
  const name = open === -1 ? text.trim() : text.slice(0, open).trim()
  const email = close === -1 ? '' : text.slice(open + 1, close).trim()
  // The date follows the last `>`: emails with a stray one exist.
  const [, digits, zone] = /^\s*(-?[0-9]+)(?:\s+([+-][0-9]+))?/.exec(text.slice(text.lastIndexOf('>') + 1)) ?? []
  const seconds = digits !== undefined && close !== -1 && Number.isSafeInteger(Number(digits)) ? Number(digits) : null
  const timezone = (seconds === null ? undefined : zone) ?? ''
  return { name, email, seconds, timezone, offsetMinutes: offsetOf(timezone) }
}

function offsetOf(timezone: string): number {
  if (!/^[+-][0-9]{1,6}$/.test(timezone)) return 0
  const value = Number(timezone.slice(1))
  const minutes = Math.floor(value / 100) * 60 + (value % 100)
  return timezone.startsWith('-') ? 0 - minutes : minutes
}

/** The line of an identity with a date. Characters that would break the line are left out, as git leaves them out. */
export function formatIdentity(identity: Pick<Identity, 'name' | 'email' | 'timezone'> & { readonly seconds: number }): Uint8Array {
  const clean = (text: string) => text.replaceAll(/[<>\n\0]/g, '').trim()
  return utf8(`${clean(identity.name)} <${clean(identity.email)}> ${identity.seconds} ${identity.timezone}`)
}
