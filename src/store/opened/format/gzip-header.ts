// The header of a gzip member (RFC 1952, 2.3): how long it is, and what it tells about who made it. Pure.

export interface GzipHeader {
  readonly sizeBytes: number
  readonly xfl: number
  readonly os: number
}

const Flag = { headerSum: 2, extra: 4, name: 8, comment: 16, reserved: 0xe0 } as const
/** Longer ones are nobody's. */
export const mostGzipHeaderBytes = 70_000

/** Null: no header. 'more': these bytes begin one, and end within it. */
export function parseGzipHeader(bytes: Uint8Array): GzipHeader | 'more' | null {
  const magic = [0x1f, 0x8b, 8]
  if (magic.some((byte, at) => at < bytes.length && bytes[at] !== byte)) return null
  if (bytes.length < 10) return 'more'
  const flags = bytes[3] as number
  if ((flags & Flag.reserved) !== 0) return null
  let at = 10
  if ((flags & Flag.extra) !== 0) {
    if (bytes.length < at + 2) return 'more'
    at += 2 + (bytes[at] as number) + (bytes[at + 1] as number) * 256
  }
  for (const flag of [Flag.name, Flag.comment]) {
    if ((flags & flag) === 0) continue
    const end = at > bytes.length ? -1 : bytes.indexOf(0, at)
    if (end < 0) return bytes.length > mostGzipHeaderBytes ? null : 'more'
    at = end + 1
  }
  if ((flags & Flag.headerSum) !== 0) at += 2
  if (at > bytes.length) return 'more'
  return { sizeBytes: at, xfl: bytes[8] as number, os: bytes[9] as number }
}
