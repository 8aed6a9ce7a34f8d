// Makes an object in memory ready to be hashed where it stands: git's header in front ("blob 123\0"), SHA-1's padding behind.

import { sha1Add } from './sha1'

/** Kinds by number, four letters or more and a space: how many bytes, and the bytes, low first. */
const nameSizes: usize = memory.data<u8>([0, 7, 5, 5, 4])
const names: usize = memory.data<u64>([0, 0x2074696d6d6f63, 0x2065657274, 0x20626f6c62, 0x20676174])

/** Writes the header so that it ends at `at`; returns where it begins. Needs 32 bytes of room. */
export function writeHeader(at: usize, size: u64, kind: u32): usize {
  let p = at - 1
  store<u8>(p, 0)
  let left = size
  do {
    store<u8>(--p, <u8>(48 + (left % 10)))
    left /= 10
  } while (left)
  const nameSize = <usize>load<u8>(nameSizes + kind)
  // Eight bytes are written for up to seven, so the name goes first, then the digits again where it ran over them.
  const digits = p
  const first = load<u64>(digits)
  store<u64>(digits - nameSize, load<u64>(names + (kind << 3)))
  store<u64>(digits, first)
  return digits - nameSize
}

/** Queues the object of `size` bytes at `at`: 64 bytes in front and 136 behind are overwritten, and must stay until the flush. */
export function enqueue(at: usize, size: u32, kind: u32): u32 {
  const start = writeHeader(at, size, kind)
  const end = at + size
  const length = <u32>(end - start)
  const rest = length & 63
  const padding: u32 = rest < 56 ? 64 - rest : 128 - rest
  memory.fill(end, 0, padding)
  store<u8>(end, 0x80)
  store<u64>(end + padding - 8, bswap<u64>((<u64>length) << 3))
  return sha1Add(start, (length + padding) >> 6)
}
