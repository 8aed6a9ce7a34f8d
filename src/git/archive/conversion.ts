// What git does to a file on its way into an archive (gitattributes(5)): `ident`, line ends, `working-tree-encoding`, then `export-subst`.
// No configuration bears on it: core.autocrlf is off, core.eol is LF, and there are no filter drivers.
// Files are texts of one character for each byte (latin1) here.
import type { AttributeValue } from '../format/attributes.ts'

export type Attributes = ReadonlyMap<string, AttributeValue>

/** Every attribute that an archive depends on. */
export const archiveAttributes: ReadonlySet<string> = new Set([
  'export-ignore',
  'export-subst',
  'text',
  'crlf',
  'eol',
  'ident',
  'working-tree-encoding',
  'diff', // a zip archive says of each file whether it is text
])

/** True when a file's bytes may differ from the stored ones. */
export function isConverted(attributes: Attributes, hasCommit: boolean): boolean {
  if (hasCommit && attributes.get('export-subst') === true) return true
  return attributes.get('ident') === true || endsWanted(attributes) !== 'as-stored' || encoderOf(attributes) !== undefined
}

/**
 * The file without `export-subst`.
 * @param oid of the blob, in hex: what `$Id$` becomes
 */
export function convertFile(stored: string, oid: string, attributes: Attributes): string {
  let text = attributes.get('ident') === true ? expandIds(stored, oid) : stored
  const ends = endsWanted(attributes)
  if (ends !== 'as-stored') text = convertEnds(text, ends)
  return encoderOf(attributes)?.(text) ?? text
}

type Ends = 'as-stored' | 'crlf' | 'crlf-if-text'

function endsWanted(attributes: Attributes): Ends {
  let kind = textKind(attributes.get('text'))
  if (kind === undefined) kind = textKind(attributes.get('crlf'))
  if (kind === 'binary' || attributes.get('eol') !== 'crlf') return 'as-stored'
  return kind === 'auto' ? 'crlf-if-text' : 'crlf'
}

function textKind(value: AttributeValue | undefined): 'text' | 'binary' | 'auto' | undefined {
  if (value === true || value === 'input') return 'text'
  if (value === false) return 'binary'
  return value === 'auto' ? 'auto' : undefined
}

function convertEnds(text: string, ends: Ends): string {
  const bare = /(?<!\r)\n/g
  if (!bare.test(text)) return text
  if (ends === 'crlf-if-text' && (text.includes('\r') || isBinary(text))) return text
  return text.replaceAll(bare, '\r\n')
}

/** git's guess: a NUL, or more than one in 128 bytes that no text has. */
function isBinary(text: string): boolean {
  if (text.includes('\0')) return true
  // oxlint-disable-next-line no-control-regex
  const strange = text.replaceAll(/[^\x01-\x07\x0b\x0e-\x1a\x1c-\x1f\x7f]+/g, '').length - (text.endsWith('\x1a') ? 1 : 0)
  const ends = text.split('\n').length - 1
  return Math.floor((text.length - ends - strange) / 128) < strange
}

/** `$Id$` and `$Id: … $`; not one that another system has filled in with several words. */
function expandIds(text: string, oid: string): string {
  return text.replaceAll(/\$Id(?:\$|:([^\n$]*)\$)/g, (whole, inside: string | undefined) => {
    const space = inside === undefined ? -1 : inside.indexOf(' ', 1)
    return inside !== undefined && space >= 0 && space < inside.length - 1 ? whole : `$Id: ${oid} $`
  })
}

/** From UTF-8, into the encodings that are known here; any other is left, as git leaves what it can't convert. */
const encoders: Readonly<Record<string, (text: string) => string | undefined>> = {
  'UTF-16': (text) => utf16(text, '\xff\xfe', false),
  'UTF-16LE': (text) => utf16(text, '', false),
  'UTF-16BE': (text) => utf16(text, '', true),
  'UTF-16LE-BOM': (text) => utf16(text, '\xff\xfe', false),
  'UTF-16BE-BOM': (text) => utf16(text, '\xfe\xff', true),
  'ISO-8859-1': (text) => {
    const decoded = Buffer.from(text, 'latin1').toString('utf8')
    return /^[\0-\xff]*$/.test(decoded) ? decoded : undefined
  },
}

function encoderOf(attributes: Attributes): ((text: string) => string | undefined) | undefined {
  const name = attributes.get('working-tree-encoding')
  return typeof name === 'string' ? encoders[name.toUpperCase().replace(/^UTF16/, 'UTF-16')] : undefined
}

function utf16(text: string, mark: string, swap: boolean): string {
  const bytes = Buffer.from(Buffer.from(text, 'latin1').toString('utf8'), 'utf16le')
  return mark + (swap ? bytes.swap16() : bytes).toString('latin1')
}
