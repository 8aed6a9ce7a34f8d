// A part of a whole content as it lies in the bucket: its bytes as they came, and behind them a footer. docs/design/content-store.md gives every byte. Pure.
import { createHash } from 'node:crypto'
import { asBuffer, CorruptError, equalBytes } from '../../base/index.ts'

/** Each so many bytes of a part have a CRC-32 of their own. */
export const sumBytes = 1 << 20

/**
 * The UUID of a part that is its content's bytes and nothing behind them: version 8 (RFC 9562) instead of 4. Its key gives the content to whoever may read the key; what a
 * footer would say is found by reading it.
 */
export function plainUuid(fresh: string): string {
  return `${fresh.slice(0, 14)}8${fresh.slice(15)}`
}

/** Whether the key with that UUID has no footer. The UUID alone says it: bytes that end as a footer does may be anybody's. */
export function isPlain(uuid: string): boolean {
  return uuid[14] === '8'
}

const magic = 'STEMWHOL'
const version = 1
const earlierBytes = 24
export const footerTrailerBytes = 88

/** A part that stands before this one in the content that ends here. */
export interface EarlierPart {
  /** 16 bytes. */
  readonly uuid: Uint8Array
  readonly sizeBytes: number
}

export interface Footer {
  readonly sizeBytes: number
  /** CRC-32 of each MiB of the bytes, little-endian. */
  readonly sums: Uint8Array
  /** SHA-256 of the content that is `earlier` and these bytes; null: whoever wrote it didn't know. */
  readonly digest: Uint8Array | null
  readonly earlier: readonly EarlierPart[]
}

/** How many bytes of sums a part of that size has. */
export function sumsBytes(sizeBytes: number): number {
  return Math.ceil(sizeBytes / sumBytes) * 4
}

/** What stands behind a part's bytes. */
export function encodeFooter({ sizeBytes, sums, digest, earlier }: Footer): Uint8Array {
  const trailerAt = earlier.length * earlierBytes + sums.length
  const bytes = Buffer.alloc(trailerAt + footerTrailerBytes)
  earlier.forEach((part, n) => {
    bytes.set(part.uuid, n * earlierBytes)
    bytes.writeBigUInt64LE(BigInt(part.sizeBytes), n * earlierBytes + 16)
  })
  bytes.set(sums, earlier.length * earlierBytes)
  bytes.write(magic, trailerAt, 'latin1')
  bytes.writeUInt32LE(version, trailerAt + 8)
  bytes.writeUInt32LE(earlier.length, trailerAt + 12)
  bytes.writeBigUInt64LE(BigInt(sizeBytes), trailerAt + 16)
  if (digest !== null) bytes.set(digest, trailerAt + 24)
  bytes.set(sumOf(bytes, trailerAt), trailerAt + 56)
  return bytes
}

/** How long the whole footer is, out of its last `footerTrailerBytes`. CorruptError 'whole-footer'. */
export function footerLength(trailer: Uint8Array): number {
  const view = asBuffer(trailer)
  if (view.length !== footerTrailerBytes || view.toString('latin1', 0, 8) !== magic || view.readUInt32LE(8) !== version) {
    throw new CorruptError('whole-footer', 'a part of a whole content does not end as one')
  }
  return view.readUInt32LE(12) * earlierBytes + sumsBytes(Number(view.readBigUInt64LE(16))) + footerTrailerBytes
}

/** @param bytes the whole footer. CorruptError 'whole-footer' */
export function decodeFooter(bytes: Uint8Array): Footer {
  const trailerAt = bytes.length - footerTrailerBytes
  const view = asBuffer(bytes)
  if (trailerAt < 0 || footerLength(bytes.subarray(trailerAt)) !== bytes.length) {
    throw new CorruptError('whole-footer', 'the footer of a part has a wrong size')
  }
  if (!equalBytes(sumOf(view, trailerAt), view.subarray(trailerAt + 56))) {
    throw new CorruptError('whole-footer', 'the footer of a part is not what its hash says')
  }
  const count = view.readUInt32LE(trailerAt + 12)
  const digest = new Uint8Array(view.subarray(trailerAt + 24, trailerAt + 56))
  return {
    sizeBytes: Number(view.readBigUInt64LE(trailerAt + 16)),
    sums: new Uint8Array(view.subarray(count * earlierBytes, trailerAt)),
    digest: digest.every((byte) => byte === 0) ? null : digest,
    earlier: Array.from({ length: count }, (_, n) => ({
      uuid: new Uint8Array(view.subarray(n * earlierBytes, n * earlierBytes + 16)),
      sizeBytes: Number(view.readBigUInt64LE(n * earlierBytes + 16)),
    })),
  }
}

function sumOf(bytes: Buffer, trailerAt: number): Uint8Array {
  return createHash('sha256')
    .update(bytes.subarray(0, trailerAt + 56))
    .digest()
}
