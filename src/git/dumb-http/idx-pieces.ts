// A stored pack's index as git's own index file (version 2, gitformat-pack(5)), in pieces: however many objects there are, one piece of it is held.
// Pure. format/idx.ts makes the same from parts that stand in memory.
import { createHash } from 'node:crypto'
import { hashBytes } from '../format/object-id.ts'
import type { PackIndex } from '../format/stored-pack.ts'

const pieceEntries = 8192
const headBytes = 8 + 256 * 4
const large = 0x8000_0000

/** How long the file is. */
export function idxBytes(index: PackIndex): number {
  let offsets64 = 0
  if (index.packBytes > large) for (let position = 0; position < index.count; position++) if (index.offset(position) >= large) offsets64++
  return headBytes + index.count * (hashBytes(index.format) + 8) + offsets64 * 8 + 2 * hashBytes(index.format)
}

/**
 * The file's bytes; pieces are the receiver's.
 * @param packHash the pack's trailer
 */
export function* idxPieces(index: PackIndex, packHash: Uint8Array): Generator<Uint8Array<ArrayBuffer>, void, undefined> {
  const hash = createHash(index.format)
  for (const piece of bodyPieces(index, packHash)) {
    hash.update(piece)
    yield piece
  }
  yield new Uint8Array(hash.digest())
}

function* bodyPieces(index: PackIndex, packHash: Uint8Array): Generator<Uint8Array<ArrayBuffer>, void, undefined> {
  const { count } = index
  yield head(index)
  yield* columns(count, hashBytes(index.format), (position, out, at) => out.set(index.oid(position), at))
  yield* columns(count, 4, (position, out, at) => out.writeUInt32BE(index.crc(position), at))
  let row = 0
  yield* columns(count, 4, (position, out, at) => {
    const offset = index.offset(position)
    out.writeUInt32BE(offset < large ? offset : large + row++, at)
  })
  for (let position = 0; position < count && row > 0; position++) {
    const offset = index.offset(position)
    if (offset < large) continue
    const out = Buffer.from(new ArrayBuffer(8))
    out.writeBigUInt64BE(BigInt(offset))
    yield new Uint8Array(out.buffer)
  }
  yield new Uint8Array(packHash)
}

function head(index: PackIndex): Uint8Array<ArrayBuffer> {
  const out = Buffer.from(new ArrayBuffer(headBytes))
  out.writeUInt32BE(0xff744f63, 0)
  out.writeUInt32BE(2, 4)
  const counts = new Uint32Array(256)
  for (let position = 0; position < index.count; position++) {
    const first = index.oid(position)[0] as number
    counts[first] = (counts[first] as number) + 1
  }
  for (let first = 0, below = 0; first < 256; first++) {
    below += counts[first] as number
    out.writeUInt32BE(below, 8 + first * 4)
  }
  return new Uint8Array(out.buffer)
}

function* columns(
  count: number,
  width: number,
  write: (position: number, out: Buffer, at: number) => void,
): Generator<Uint8Array<ArrayBuffer>, void, undefined> {
  for (let from = 0; from < count; from += pieceEntries) {
    const rows = Math.min(pieceEntries, count - from)
    const buffer = new ArrayBuffer(rows * width)
    const out = Buffer.from(buffer)
    for (let i = 0; i < rows; i++) write(from + i, out, i * width)
    yield new Uint8Array(buffer)
  }
}
