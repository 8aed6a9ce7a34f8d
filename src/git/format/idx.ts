// Pack indexes, version 2 (gitformat-pack(5)), as git writes them: for dumb HTTP, interop and tests. Our own index is stored-pack.ts.
//   \377tOc · version 2 · fan-out of 256 counts · ids · CRC-32s · 31-bit offsets (top bit: a row of the 64-bit table) · 64-bit offsets
//   · hash of the pack · hash of all that
import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { asBuffer, compareBytes, equalBytes, InputError } from '../../base/index.ts'
import { hashBytes, type ObjectFormat } from './object-id.ts'

const HEAD_BYTES = 8 + 256 * 4
const LARGE = 0x8000_0000

/** The CRC-32 that an index keeps of an entry's bytes as they stand in the pack. */
export function entryCrc(bytes: Uint8Array, previous = 0): number {
  return crc32(bytes, previous)
}

export interface IdxParts {
  readonly format: ObjectFormat
  /** Packed ids, ascending. */
  readonly oids: Uint8Array
  readonly crcs: Uint32Array
  readonly offsets: Float64Array
  /** The pack's trailer. */
  readonly packHash: Uint8Array
}

/** The idx file of these parts. Offsets from `largeFrom` on (2^31, as git) go to the 64-bit table. */
export function encodeIdx(parts: IdxParts, largeFrom = LARGE): Uint8Array {
  const { format, oids, crcs, offsets, packHash } = parts
  const count = offsets.length
  const large = offsets.reduce((sum, offset) => sum + (offset >= largeFrom ? 1 : 0), 0)
  const hashSize = hashBytes(format)
  const out = Buffer.alloc(HEAD_BYTES + count * (hashSize + 8) + large * 8 + 2 * hashSize)
  out.writeUInt32BE(0xff744f63, 0)
  out.writeUInt32BE(2, 4)
  for (let first = 0, at = 0; first < 256; first++) {
    while (at < count && (oids[at * hashSize] as number) <= first) at++
    out.writeUInt32BE(at, 8 + first * 4)
  }
  out.set(oids, HEAD_BYTES)
  const crcAt = HEAD_BYTES + count * hashSize
  const offsetAt = crcAt + count * 4
  const largeAt = offsetAt + count * 4
  for (let i = 0, row = 0; i < count; i++) {
    const offset = offsets[i] as number
    out.writeUInt32BE(crcs[i] as number, crcAt + i * 4)
    out.writeUInt32BE(offset >= largeFrom ? LARGE + row : offset, offsetAt + i * 4)
    if (offset >= largeFrom) out.writeBigUInt64BE(BigInt(offset), largeAt + 8 * row++)
  }
  out.set(packHash, largeAt + large * 8)
  out.set(createHash(format).update(out.subarray(0, -hashSize)).digest(), out.length - hashSize)
  return new Uint8Array(out.buffer, out.byteOffset, out.length)
}

/** An idx file's parts, copied. InputError `idx-malformed` for every way in which it isn't one. */
export function decodeIdx(bytes: Uint8Array, format: ObjectFormat): IdxParts {
  const hashSize = hashBytes(format)
  const view = asBuffer(bytes)
  if (bytes.length < HEAD_BYTES + 2 * hashSize) throw malformed('is too small')
  if (view.readUInt32BE(0) !== 0xff744f63) throw malformed('does not begin as version 2 does')
  if (view.readUInt32BE(4) !== 2) throw malformed(`has version ${view.readUInt32BE(4)}, which is not supported`)
  const count = view.readUInt32BE(8 + 255 * 4)
  const offsetAt = HEAD_BYTES + count * (hashSize + 4)
  const largeAt = offsetAt + count * 4
  const trailerAt = bytes.length - 2 * hashSize
  const largeCount = (trailerAt - largeAt) / 8
  if (!Number.isInteger(largeCount) || largeCount < 0 || largeCount > count) throw malformed('has another size than its count says')
  const body = createHash(format).update(bytes.subarray(0, -hashSize)).digest()
  if (!equalBytes(body, bytes.subarray(-hashSize))) throw malformed('does not match its own checksum')
  const oids = bytes.slice(HEAD_BYTES, HEAD_BYTES + count * hashSize)
  checkOrder(view, oids, hashSize, count)
  const crcs = new Uint32Array(count)
  const offsets = new Float64Array(count)
  for (let i = 0; i < count; i++) {
    crcs[i] = view.readUInt32BE(offsetAt - count * 4 + i * 4)
    const offset = view.readUInt32BE(offsetAt + i * 4)
    offsets[i] = offset < LARGE ? offset : largeOffset(view, largeAt, offset - LARGE, largeCount)
  }
  return { format, oids, crcs, offsets, packHash: bytes.slice(trailerAt, trailerAt + hashSize) }
}

function largeOffset(view: Buffer, largeAt: number, row: number, largeCount: number): number {
  if (row >= largeCount) throw malformed('names an offset that it does not hold')
  const offset = view.readBigUInt64BE(largeAt + row * 8)
  if (offset > BigInt(Number.MAX_SAFE_INTEGER)) throw malformed('holds an impossible offset')
  return Number(offset)
}

function checkOrder(view: Buffer, oids: Uint8Array, hashSize: number, count: number): void {
  let at = 0
  for (let first = 0; first < 256; first++) {
    const end = view.readUInt32BE(8 + first * 4)
    if (end < at || end > count) throw malformed('has a fan-out that is not in order')
    for (; at < end; at++) {
      const isInOrder =
        at === 0 || compareBytes(oids.subarray((at - 1) * hashSize, at * hashSize), oids.subarray(at * hashSize, (at + 1) * hashSize)) < 0
      if (oids[at * hashSize] !== first || !isInOrder) throw malformed('has ids that are not in order')
    }
  }
}

function malformed(what: string): InputError {
  return new InputError('idx-malformed', `pack index ${what}`)
}
