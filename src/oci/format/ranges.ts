// The protocol's two ranges: Content-Range of a chunk that is uploaded (distribution-spec, Pushing a blob in chunks: `0-1023`, both ends within), and
// Range of a pull (RFC 9110 §14).
import { ociError } from './errors.ts'

/** Bytes `from` … `to` − 1. */
export interface ByteRange {
  readonly from: number
  readonly to: number
}

/**
 * Of a chunk; null where the header is missing. Also in the forms that clients of old send: `bytes 0-1023/*`, `bytes=0-1023`.
 * InputError 'upload-invalid' for anything else.
 */
export function parseContentRange(header: string | undefined): ByteRange | null {
  if (header === undefined) return null
  const match = /^(?:bytes[ =])?(\d{1,15})-(\d{1,15})(?:\/(?:\d{1,15}|\*))?$/.exec(header.trim())
  const [from, last] = [Number(match?.[1]), Number(match?.[2])]
  if (match && from <= last) return { from, to: last + 1 }
  throw ociError('upload-invalid', 'Content-Range must be the first and the last byte of the chunk: 0-1023')
}

/** What an upload has, as Range says it. Of an empty one it can't: clients know `0-0`, as distribution answers. */
export function formatUploadRange(sizeBytes: number): string {
  return `0-${Math.max(0, sizeBytes - 1)}`
}

/**
 * What a pull asks for. The whole (null) where the header is missing or of a kind that may be passed over: several ranges, another unit.
 * InputError 'range-invalid' (416) where there are no such bytes, and where the last stands before the first: RFC 9110 has that
 * ignored, the protocol's own conformance suite wants it refused.
 */
export function parseRange(header: string | undefined, sizeBytes: number): ByteRange | null {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header?.trim() ?? '')
  const [, first = '', last = ''] = match ?? []
  if (!match || (first === '' && last === '')) return null
  const from = first === '' ? Math.max(0, sizeBytes - Number(last)) : Number(first)
  const to = first === '' || last === '' ? sizeBytes : Math.min(Number(last) + 1, sizeBytes)
  if (from >= to) throw ociError('range-invalid')
  return { from, to }
}
