// Scans a commit: puts its tree and parents into the set, and says whether its headers are clean in every way that fsck looks at.
// As with trees (tree.ts), "not clean" means: let the precise checks decide.

import { IS_COMMIT, IS_TREE } from './flags'
import { refsAdd } from './refs'

const NEWLINE: u32 = 0x0a
const SPACE: u32 = 0x20
const id: usize = memory.data(32)

@inline
function hexDigit(byte: u32): u32 {
  if (byte - 48 < 10) return byte - 48
  return byte - 97 < 6 ? byte - 87 : 0xff
}

/** Reads lowercase hex and a newline into `id`. */
function readId(at: usize, end: usize, idSize: usize): bool {
  if (at + idSize * 2 >= end || load<u8>(at + idSize * 2) != NEWLINE) return false
  for (let i: usize = 0; i < idSize; i++) {
    const high = hexDigit(load<u8>(at + i * 2))
    const low = hexDigit(load<u8>(at + i * 2 + 1))
    if ((high | low) > 15) return false
    store<u8>(id + i, <u8>((high << 4) | low))
  }
  return true
}

/** The byte behind an identity line (`name <email> 1700000000 +0100`), 0 when it isn't clean. */
function skipIdentity(start: usize, end: usize): usize {
  let p = start
  let byte: u32 = 0
  while (p < end) {
    byte = load<u8>(p)
    if (byte == 0x3c || byte == 0x3e || byte == NEWLINE || byte == 0) break
    p++
  }
  if (byte != 0x3c || p == start || p >= end || load<u8>(p - 1) != SPACE) return 0
  p++
  while (p < end) {
    byte = load<u8>(p)
    if (byte == 0x3c || byte == 0x3e || byte == NEWLINE || byte == 0) break
    p++
  }
  // Behind ">": a space, 1 to 18 digits, a space, a sign, 4 digits, a newline.
  if (byte != 0x3e || p + 10 > end || load<u8>(p, 1) != SPACE) return 0
  p += 2
  const digits = p
  while (p < end && <u32>load<u8>(p) - 48 < 10) p++
  const count = p - digits
  if (count == 0 || count > 18 || (load<u8>(digits) == 48 && count > 1) || p + 7 > end) return 0
  const sign = load<u8>(p, 1)
  if (load<u8>(p) != SPACE || (sign != 0x2b && sign != 0x2d) || load<u8>(p, 6) != NEWLINE) return 0
  for (let i: usize = 2; i < 6; i++) if (<u32>load<u8>(p + i) - 48 > 9) return 0
  return p + 7
}

/** True when there is no NUL, and the headers, of which `at` begins the rest, end in an empty line or with the object. */
function isCleanRest(at: usize, end: usize): bool {
  const zero = i8x16.splat(0)
  let p = at
  for (; p + 16 <= end; p += 16) if (v128.any_true(i8x16.eq(v128.load(p), zero))) return false
  for (; p < end; p++) if (load<u8>(p) == 0) return false
  if (at == end || load<u8>(at) == NEWLINE) return true
  for (p = at; p + 1 < end; p++) if (load<u16>(p) == 0x0a0a) return true
  return false
}

/** True: clean, and all its references are in the set. */
export function scanCommit(at: usize, size: usize, idSize: usize): bool {
  const end = at + size
  let p = at
  if (size < 5 || load<u32>(p) != 0x65657274 || load<u8>(p, 4) != SPACE || !readId(p + 5, end, idSize)) return false
  refsAdd(id, IS_TREE)
  p += 6 + idSize * 2
  // "parent "
  while (p + 7 < end && (load<u64>(p) & 0xffffffffffffff) == 0x20746e65726170) {
    if (!readId(p + 7, end, idSize)) return false
    refsAdd(id, IS_COMMIT)
    p += 8 + idSize * 2
  }
  // "author "
  if (p + 7 >= end || (load<u64>(p) & 0xffffffffffffff) != 0x20726f68747561) return false
  p = skipIdentity(p + 7, end)
  // "committer "
  if (p == 0 || p + 10 >= end || load<u64>(p) != 0x657474696d6d6f63) return false
  if (load<u16>(p, 8) != 0x2072) return false
  p = skipIdentity(p + 10, end)
  return p != 0 && isCleanRest(p, end)
}
