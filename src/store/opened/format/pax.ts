// PAX headers: records of `length key=value\n` (POSIX.1-2008, pax Extended Header). Of them, what says where a member ends and what it is called. Pure.
import { latin1 } from '../../../base/index.ts'

export interface PaxFacts {
  readonly path: Uint8Array | null
  readonly link: Uint8Array | null
  readonly sizeBytes: number | null
  /** Of sparse members: what the file is called, and how many bytes it has. */
  readonly sparseName: Uint8Array | null
  readonly sparseBytes: number | null
  readonly isSparse: boolean
}

export const noPax: PaxFacts = { path: null, link: null, sizeBytes: null, sparseName: null, sparseBytes: null, isSparse: false }

/** Null where the bytes aren't records, or a size is none. */
export function parsePax(bytes: Uint8Array): PaxFacts | null {
  const records = new Map<string, Uint8Array>()
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(0x20, at)
    if (space < 0 || space - at > 10) return null
    const digits = latin1(bytes.subarray(at, space))
    const end = at + Number(digits)
    if (!/^[1-9]\d*$/.test(digits) || end > bytes.length || bytes[end - 1] !== 0x0a) return null
    const equals = bytes.indexOf(0x3d, space)
    if (equals < 0 || equals >= end) return null
    records.set(latin1(bytes.subarray(space + 1, equals)), bytes.slice(equals + 1, end - 1))
    at = end
  }
  const sizeBytes = numberOf(records.get('size'))
  const sparseBytes = numberOf(records.get('GNU.sparse.realsize') ?? records.get('GNU.sparse.size'))
  if (sizeBytes === undefined || sparseBytes === undefined) return null
  return {
    path: textOf(records.get('path')),
    link: textOf(records.get('linkpath')),
    sizeBytes,
    sparseName: textOf(records.get('GNU.sparse.name')),
    sparseBytes,
    isSparse: [...records.keys()].some((key) => key.startsWith('GNU.sparse.')),
  }
}

/** Null: not given, or taken back by an empty value: the header's counts. */
function textOf(value: Uint8Array | undefined): Uint8Array | null {
  return value === undefined || value.length === 0 ? null : value
}

/** The same; undefined: no number. */
function numberOf(value: Uint8Array | undefined): number | null | undefined {
  if (value === undefined || value.length === 0) return null
  const text = latin1(value)
  const number = Number(text)
  return /^\d+$/.test(text) && Number.isSafeInteger(number) ? number : undefined
}
