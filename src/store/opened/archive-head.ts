// By its first bytes, what a content may be.
import { parseGzipHeader } from './format/gzip-header.ts'
import { blockBytes, parseTarHeader } from './format/tar-header.ts'
import { isZstd } from './zstd-frames.ts'

export function isTarHead(bytes: Uint8Array): boolean {
  return bytes.length >= blockBytes && parseTarHeader(bytes.subarray(0, blockBytes)) !== null
}

/** An archive, or packed: perhaps one that is packed. */
export function mayHoldFiles(bytes: Uint8Array): boolean {
  return isPacked(bytes) || isTarHead(bytes)
}

/** Nothing makes it smaller. */
export function isPacked(bytes: Uint8Array): boolean {
  return parseGzipHeader(bytes) !== null || isZstd(bytes)
}
