// One header block of a tar archive, as docker's and GNU's readers take it: v7, ustar, GNU and PAX (POSIX.1-2008 pax; GNU tar manual, "Basic Tar Format"). Pure.
import { asBuffer, equalBytes, utf8 } from '../../../base/index.ts'

export const blockBytes = 512

export interface TarHeader {
  readonly name: Uint8Array
  readonly mode: number
  readonly sizeBytes: number
  /** The type's byte as a character; `\0` is `0`, and a directory where the name ends with a slash. */
  readonly type: string
  readonly link: Uint8Array
  /** Of GNU sparse members: another block of the map follows, and how many bytes the file has. */
  readonly isExtended: boolean
  readonly realBytes: number | null
}

const gnuMagic = utf8('ustar  \0')
const ustarMagic = utf8('ustar\0')
const empty = new Uint8Array()

/** Null for what no reader would take for a header: a wrong sum, or numbers that are none. */
export function parseTarHeader(block: Uint8Array): TarHeader | null {
  if (!hasRightSum(block)) return null
  const sizeBytes = number(block, 124, 12)
  const mode = number(block, 100, 8)
  if (sizeBytes === null || mode === null) return null
  const name = text(block, 0, 100)
  const type = String.fromCharCode(block[156] as number)
  const isGnu = equalBytes(block.subarray(257, 265), gnuMagic)
  const isUstar = equalBytes(block.subarray(257, 263), ustarMagic)
  const prefix = isUstar ? text(block, 345, 155) : empty
  const isSparse = type === 'S' && isGnu
  return {
    name: prefix.length === 0 ? name : asBuffer(Buffer.concat([prefix, utf8('/'), name])),
    mode,
    sizeBytes,
    type: type === '\0' ? (name.at(-1) === 0x2f ? '5' : '0') : type,
    link: text(block, 157, 100),
    isExtended: isSparse && block[482] !== 0,
    realBytes: isSparse ? number(block, 483, 12) : null,
  }
}

export function isZeroBlock(block: Uint8Array): boolean {
  return block.every((byte) => byte === 0)
}

/** The sum of all bytes, those of the sum itself counted as spaces; old programs took bytes for signed. */
function hasRightSum(block: Uint8Array): boolean {
  const said = number(block, 148, 8)
  if (said === null) return false
  let unsigned = 256
  let signed = 256
  for (let at = 0; at < blockBytes; at++) {
    if (at === 148) at = 156
    const byte = block[at] as number
    unsigned += byte
    signed += byte < 128 ? byte : byte - 256
  }
  return said === unsigned || said === signed
}

/** Octal digits, or base 256 where the first bit is set. Null for what is neither, negative, or past 2^53. */
function number(block: Uint8Array, at: number, length: number): number | null {
  const first = block[at] as number
  if (first >= 0x80) {
    if (first !== 0x80) return null
    let value = 0
    for (let n = 1; n < length; n++) value = value * 256 + (block[at + n] as number)
    return Number.isSafeInteger(value) ? value : null
  }
  const digits = asBuffer(block)
    .toString('latin1', at, at + length)
    .replace(/^[ \0]+/, '')
    .replace(/[ \0].*$/s, '')
  return /^[0-7]*$/.test(digits) ? Number.parseInt(digits || '0', 8) : null
}

/** Up to the first zero. A copy: the block is used again. */
function text(block: Uint8Array, at: number, length: number): Uint8Array {
  const field = block.subarray(at, at + length)
  const end = field.indexOf(0)
  return field.slice(0, end < 0 ? length : end)
}
