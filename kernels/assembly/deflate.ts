// Makes zlib streams (RFC 1950, RFC 1951), fast rather than small: somewhat smaller than zlib's level 1 (docs/decisions/0013). A table names the
// latest place where four bytes with the same hash stood; a match from there is taken unless the next byte begins a longer one.
// Invariant: a stream depends on its bytes alone, since a pack that is made again must be the same. The table isn't cleared between streams: its
// places count on, so those of earlier streams lie before this one's begin, and are none.
// Room: reads up to 16 bytes behind the input and writes up to 16 behind `deflateBound`; neither counts.

import { adler32 } from './adler32'
import { beginStream, deflateOut, distanceCounts, endStream, lengthSymbols, literalCounts, writeBlock } from './deflate-block'

/** With the longest match at its end below 65536: such a block can be a single stored one. */
const BLOCK: usize = 65000
const LONGEST: usize = 258
const WINDOW: u32 = 32768
/** A match of this length isn't put off for a longer one. */
const LONG_ENOUGH: u64 = 24
/** After this many misses (a power of two) one more byte is passed over each time, after twice as many two, and so on. */
const MISSES_SHIFT: u32 = 5
/** Small inputs use less of the table, so that it stays in the nearest cache. */
const SMALLEST_TABLE_BITS: u32 = 8
const LARGEST_TABLE_BITS: u32 = 15
const TABLE_BYTES: usize = 131072

const table: usize = memory.data(131072) // the latest place (u32) of each hash
const sequences: usize = memory.data(131200) // of a block (deflate-block.ts): a match for each four bytes at most

/** The bytes of all streams so far: places in the table count from the first stream's begin, modulo 2^32. */
let counted: u32 = 0

/** The most bytes that `size` bytes become. */
export function deflateBound(size: usize): usize {
  return size + (size / BLOCK + 1) * 6 + 6
}

/** Deflates `size` bytes (below 2^31) at `src` to `dst`; how many come out. */
export function deflate(src: usize, size: usize, dst: usize): usize {
  if (counted > 0x7fffffff) {
    memory.fill(table, 0, TABLE_BYTES)
    counted = 0
  }
  beginStream(dst)
  const tableBits = max<u32>(SMALLEST_TABLE_BITS, min<u32>(LARGEST_TABLE_BITS, 33 - clz<u32>(<u32>size)))
  let from: usize = 0
  do {
    from = block(src, from, size, 32 - tableBits)
  } while (from < size)
  counted += <u32>size
  endStream(adler32(1, src, size))
  return deflateOut - dst
}

@inline
function slotOf(at: usize, shift: u32): usize {
  return table + (<usize>((load<u32>(at) * 0x9e3779b1) >> shift) << 2)
}

@inline
function note(src: usize, at: usize, shift: u32): void {
  store<u32>(slotOf(at, shift), counted + <u32>(at - src))
}

/** How long the bytes at `at` are those `distance` before, when the first four are known to be. */
@inline
function matchLength(at: usize, distance: u32, longest: usize): usize {
  let length: usize = 4
  while (length < longest) {
    const differs = load<u64>(at + length) ^ load<u64>(at + length - distance)
    if (differs) return min<usize>(length + <usize>(ctz(differs) >> 3), longest)
    length += 8
  }
  return longest
}

/** The match for the bytes at `at`, as length << 32 | distance; 0 for none. Notes the place. */
@inline
function find(src: usize, at: usize, end: usize, shift: u32): u64 {
  const slot = slotOf(at, shift)
  const place = counted + <u32>(at - src)
  const distance = place - load<u32>(slot)
  store<u32>(slot, place)
  if (distance - 1 >= min<u32>(<u32>(at - src), WINDOW) || load<u32>(at - distance) != load<u32>(at)) return 0
  return (<u64>matchLength(at, distance, min<usize>(end - at, LONGEST)) << 32) | distance
}

@inline
function count(at: usize): void {
  store<u32>(at, load<u32>(at) + 1)
}

@inline
function countLiteral(at: usize): void {
  count(literalCounts + (<usize>load<u8>(at) << 2))
}

@inline
function distanceSymbol(distance: u32): u32 {
  const d = distance - 1
  if (d < 2) return d
  const top = 31 - clz(d)
  return (top << 1) | ((d >> (top - 1)) & 1)
}

/** Finds the matches of the block that begins at `from`, and writes it; where the next begins. */
function block(src: usize, from: usize, size: usize, shift: u32): usize {
  memory.fill(literalCounts, 0, 1152)
  memory.fill(distanceCounts, 0, 128)
  const end = src + size
  const blockEnd = min<usize>(src + from + BLOCK, end)
  // a match begins where four bytes are left
  const searchEnd = size < 4 ? src : min<usize>(blockEnd, end - 3)
  let sequence = sequences
  let at = src + from
  let literal = at // the first byte that is in no sequence yet
  let misses: u32 = 0
  while (at < searchEnd) {
    let match = find(src, at, end, shift)
    if (match == 0) {
      countLiteral(at++)
      misses++
      for (let skip = misses >> MISSES_SHIFT; skip > 0 && at < blockEnd; skip--) countLiteral(at++)
      continue
    }
    misses = 0
    while (match >> 32 < LONG_ENOUGH && at + 1 < searchEnd) {
      const next = find(src, at + 1, end, shift)
      if (next >> 32 <= match >> 32) break
      countLiteral(at++)
      match = next
    }
    const length = <usize>(match >> 32)
    const symbol = distanceSymbol(<u32>match)
    count(literalCounts + ((257 + <usize>load<u8>(lengthSymbols + length)) << 2))
    count(distanceCounts + (symbol << 2))
    store<u64>(sequence, <u64>(at - literal) | (<u64>length << 16) | ((match & 0xffffffff) << 32) | (<u64>symbol << 48))
    sequence += 8
    noteWithin(src, at, length, shift)
    at += length
    literal = at
  }
  while (at < blockEnd) countLiteral(at++)
  if (literal < at) {
    store<u64>(sequence, <u64>(at - literal))
    sequence += 8
  }
  writeBlock(src + from, <u32>(at - src - from), sequences, sequence, at == end)
  return at - src
}

/**
 * Some places within a match, the same number for most: a loop over all of them costs a wrongly predicted branch, and finds little more.
 * Behind the input's last four bytes the hash is of anything, but no search follows.
 */
@inline
function noteWithin(src: usize, at: usize, length: usize, shift: u32): void {
  const next = at + length
  note(src, at + 2, shift)
  note(src, at + 3, shift)
  note(src, next - 2, shift)
  note(src, next - 1, shift)
  if (length <= 8) return
  note(src, at + 4, shift)
  note(src, at + 5, shift)
  note(src, at + 6, shift)
  note(src, next - 3, shift)
}
