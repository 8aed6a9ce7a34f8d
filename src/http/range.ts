// The Range header of a GET (RFC 9110 §14): one range of bytes, which is all that clients ask for to go on with a broken download.

/** Bytes `from` … `to` − 1. */
export interface ByteRange {
  readonly from: number
  readonly to: number
}

/** The whole where no range is asked for, or in a form that may be passed over (several ranges, another unit); null: there are no such bytes. */
export function parseRange(header: string | undefined, sizeBytes: number): ByteRange | null {
  const whole = { from: 0, to: sizeBytes }
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header?.trim() ?? '')
  if (!match || (match[1] === '' && match[2] === '')) return whole
  const [, first = '', last = ''] = match
  if (first === '') return Number(last) === 0 ? null : { from: Math.max(0, sizeBytes - Number(last)), to: sizeBytes }
  const from = Number(first)
  const to = last === '' ? sizeBytes : Math.min(Number(last) + 1, sizeBytes)
  if (last !== '' && Number(last) < from) return whole
  return from < sizeBytes ? { from, to } : null
}
