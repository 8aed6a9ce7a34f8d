// Canonical Huffman codes to decode tables (RFC 1951 §3.2.2). A table is indexed by the next `tableBits` bits of input; longer codes go on
// in a subtable. An entry tells what to do and how many bits to drop:
//   literal   bit 31, byte in bits 16–23                                  low byte: bits of the code
//   length or distance: base in bits 16–30, bits of the code in bits 8–13, low byte: bits of the code and its extra bits
//   EXCEPTION with SUBTABLE: its start in bits 16–30, its index bits in bits 8–13, low byte: bits to drop first
//   EXCEPTION with END: the end-of-block code · EXCEPTION with BAD: a code that no valid stream uses
// Invariant: every index of a table that was built holds an entry, so decoding never reads what an earlier table left.

export const LITERAL: u32 = 0x80000000
export const EXCEPTION: u32 = 0x8000
export const SUBTABLE: u32 = 0x4000
export const END: u32 = 0x2000
export const BAD: u32 = 0x1000

// What a code may be, besides complete (zlib's rules).
export const COMPLETE: u32 = 0
export const OR_SINGLE: u32 = 1
export const OR_NONE: u32 = 2

const counts: usize = memory.data(64)
const offsets: usize = memory.data(64)
const sorted: usize = memory.data(640)

@inline
function nextCodeword(code: u32, length: u32): u32 {
  // Codewords are kept bit-reversed, as the stream has them: adding one means carrying from the top bit down.
  const bit: u32 = 1 << (31 - clz<u32>(code ^ ((1 << length) - 1)))
  return (code & (bit - 1)) | bit
}

/**
 * Builds the table at `table` for `symbols` codes whose lengths are the bytes at `lengths`. `results` holds each symbol's entry without
 * its code bits. False when the lengths are no code: over-subscribed, or incomplete other than `form` allows: a single code of one bit, or
 * none at all.
 */
export function buildTable(table: usize, lengths: usize, symbols: u32, results: usize, tableBits: u32, form: u32): bool {
  memory.fill(counts, 0, 64)
  for (let i: u32 = 0; i < symbols; i++) {
    const at = counts + (<usize>load<u8>(lengths + i) << 2)
    store<u32>(at, load<u32>(at) + 1)
  }
  let longest: u32 = 15
  while (longest > 1 && load<u32>(counts + (longest << 2)) == 0) longest--
  let used: u32 = 0
  let offset: u32 = load<u32>(counts)
  store<u32>(offsets, 0)
  for (let length: u32 = 1; length <= longest; length++) {
    const count = load<u32>(counts + (length << 2))
    store<u32>(offsets + (length << 2), offset)
    offset += count
    used = (used << 1) + count
  }
  for (let i: u32 = 0; i < symbols; i++) {
    const at = offsets + (<usize>load<u8>(lengths + i) << 2)
    const place = load<u32>(at)
    store<u32>(at, place + 1)
    store<u16>(sorted + (place << 1), <u16>i)
  }
  let symbol = sorted + (load<u32>(counts) << 1)
  if (used > 1 << longest) return false
  if (used < 1 << longest) return buildIncomplete(table, used, longest, symbol, results, tableBits, form)
  return buildComplete(table, symbol, results, tableBits)
}

/** The unused codes are errors when they come. */
function buildIncomplete(table: usize, used: u32, longest: u32, symbol: usize, results: usize, tableBits: u32, form: u32): bool {
  const size: u32 = 1 << tableBits
  if (used == 0) {
    if (form != OR_NONE) return false
    for (let i: u32 = 0; i < size; i++) store<u32>(table + (i << 2), EXCEPTION | BAD | 0x101)
    return true
  }
  if (form == COMPLETE || longest != 1 || load<u32>(counts, 4) != 1) return false
  const entry = load<u32>(results + (<usize>load<u16>(symbol) << 2)) + 0x101
  for (let i: u32 = 0; i < size; i += 2) {
    store<u32>(table + (i << 2), entry)
    store<u32>(table + (i << 2), EXCEPTION | BAD | 0x101, 4)
  }
  return true
}

function buildComplete(table: usize, firstSymbol: usize, results: usize, tableBits: u32): bool {
  let symbol = firstSymbol
  let code: u32 = 0
  let length: u32 = 1
  let count: u32 = load<u32>(counts, 4)
  while (count == 0) count = load<u32>(counts + (++length << 2))
  let end: u32 = 1 << length
  while (length <= tableBits) {
    do {
      store<u32>(table + (code << 2), load<u32>(results + (<usize>load<u16>(symbol) << 2)) + (length << 8) + length)
      symbol += 2
      if (code == end - 1) {
        for (; length < tableBits; length++) {
          memory.copy(table + (end << 2), table, end << 2)
          end <<= 1
        }
        return true
      }
      code = nextCodeword(code, length)
    } while (--count)
    do {
      if (++length <= tableBits) {
        memory.copy(table + (end << 2), table, end << 2)
        end <<= 1
      }
      count = load<u32>(counts + (length << 2))
    } while (count == 0)
  }
  return buildSubtables(table, symbol, results, tableBits, code, length, count)
}

function buildSubtables(table: usize, firstSymbol: usize, results: usize, tableBits: u32, firstCode: u32, firstLength: u32, firstCount: u32): bool {
  let symbol = firstSymbol
  let code = firstCode
  let length = firstLength
  let count = firstCount
  let end: u32 = 1 << tableBits
  let prefix: u32 = 0xffffffff
  let start: u32 = 0
  const mask: u32 = (1 << tableBits) - 1
  for (;;) {
    if ((code & mask) != prefix) {
      prefix = code & mask
      start = end
      let bits = length - tableBits
      let used = count
      while (used < <u32>1 << bits) {
        bits++
        used = (used << 1) + load<u32>(counts + ((tableBits + bits) << 2))
      }
      end = start + (1 << bits)
      store<u32>(table + (prefix << 2), (start << 16) | EXCEPTION | SUBTABLE | (bits << 8) | tableBits)
    }
    const left = length - tableBits
    const entry = load<u32>(results + (<usize>load<u16>(symbol) << 2)) + (left << 8) + left
    symbol += 2
    const stride: u32 = 1 << left
    for (let i = start + (code >> tableBits); i < end; i += stride) store<u32>(table + (i << 2), entry)
    if (code == (<u32>1 << length) - 1) return true
    code = nextCodeword(code, length)
    count--
    while (count == 0) count = load<u32>(counts + (++length << 2))
  }
  return false
}
