// Frequencies to canonical Huffman codes of bounded length (RFC 1951 §3.2.2), as deflate writes them. A code's entry: its bits, reversed as the
// stream has them, in bits 0–23, and their number in bits 24–31; 0 for a symbol that never occurs.

const counts: usize = memory.data(64) // of codes, by length
const next: usize = memory.data(64)
const bins: usize = memory.data(1024)
const keys: usize = memory.data(1152) // frequency << 16 | symbol
const sorted: usize = memory.data(1152)
const weights: usize = memory.data(1152) // of the tree's inner nodes, lightest first
const parents: usize = memory.data(1152)
const depths: usize = memory.data(1152)

/**
 * Gives each symbol with a frequency (u32 at `frequencies`, below 65536) a length of at most `longest` (u8 at `lengths`) and a code (u32 at
 * `codes`). The code is always complete: where fewer than two symbols occur, others get one, too.
 */
export function buildCode(frequencies: usize, symbols: u32, longest: u32, lengths: usize, codes: usize): void {
  memory.fill(lengths, 0, symbols)
  memory.fill(counts, 0, 64)
  const used = sortSymbols(frequencies, symbols)
  if (used < 2) {
    const only = used == 1 ? load<u32>(keys) & 0xffff : 0
    store<u8>(lengths + only, 1)
    store<u8>(lengths + (only == 0 ? 1 : 0), 1)
    store<u32>(counts, 2, 4)
  } else {
    countLengths(used, longest)
    let at = keys
    for (let length = longest; length > 0; length--) {
      for (let count = load<u32>(counts + (length << 2)); count > 0; count--) {
        store<u8>(lengths + (load<u32>(at) & 0xffff), <u8>length)
        at += 4
      }
    }
  }
  assignCodes(lengths, symbols, codes)
}

/** The symbols that occur, rarest first, as `keys`; how many they are. */
function sortSymbols(frequencies: usize, symbols: u32): u32 {
  let used: u32 = 0
  let any: u32 = 0
  for (let i: u32 = 0; i < symbols; i++) {
    const frequency = load<u32>(frequencies + (i << 2))
    store<u32>(keys + (used << 2), (frequency << 16) | i)
    any |= frequency
    used += u32(frequency != 0)
  }
  if (used < 20) insertionSort(used)
  else {
    radixPass(keys, sorted, used, 16)
    if (any >> 8) radixPass(sorted, keys, used, 24)
    else memory.copy(keys, sorted, used << 2)
  }
  return used
}

function insertionSort(used: u32): void {
  for (let i: u32 = 1; i < used; i++) {
    const key = load<u32>(keys + (i << 2))
    let at = keys + (i << 2)
    for (; at > keys && load<u32>(at - 4) > key; at -= 4) store<u32>(at, load<u32>(at - 4))
    store<u32>(at, key)
  }
}

function radixPass(from: usize, to: usize, used: u32, shift: u32): void {
  memory.fill(bins, 0, 1024)
  for (let i: u32 = 0; i < used; i++) {
    const bin = bins + <usize>(((load<u32>(from + (i << 2)) >> shift) & 255) << 2)
    store<u32>(bin, load<u32>(bin) + 4)
  }
  let place: u32 = 0
  for (let bin = bins; bin < bins + 1024; bin += 4) {
    const count = load<u32>(bin)
    store<u32>(bin, place)
    place += count
  }
  for (let i: u32 = 0; i < used; i++) {
    const key = load<u32>(from + (i << 2))
    const bin = bins + <usize>(((key >> shift) & 255) << 2)
    const at = load<u32>(bin)
    store<u32>(to + at, key)
    store<u32>(bin, at + 4)
  }
}

/**
 * How many codes of each length: leaves and inner nodes, both in order of their weight, are joined from the lightest on; then lengths are dealt
 * out from the root. An inner node takes a place from its own length and makes two of the next. Below `longest` there is no next: it splits the
 * longest place that can still be split.
 */
function countLengths(used: u32, longest: u32): void {
  let leaf: u32 = 0
  let node: u32 = 0
  for (let made: u32 = 0; made < used - 1; made++) {
    let weight: u32 = 0
    for (let k = 0; k < 2; k++) {
      const leafWeight = leaf < used ? load<u32>(keys + (leaf << 2)) >> 16 : 0xffffffff
      const nodeWeight = node < made ? load<u32>(weights + (node << 2)) : 0xffffffff
      if (leafWeight <= nodeWeight) {
        weight += leafWeight
        leaf++
      } else {
        weight += nodeWeight
        store<u32>(parents + (node << 2), made)
        node++
      }
    }
    store<u32>(weights + (made << 2), weight)
  }
  const root = used - 2
  store<u32>(depths + (root << 2), 0)
  store<u32>(counts, 2, 4)
  for (let i = <i32>root - 1; i >= 0; i--) {
    const depth = load<u32>(depths + <usize>(load<u32>(parents + (i << 2)) << 2)) + 1
    store<u32>(depths + (i << 2), depth)
    let length = depth
    if (length >= longest) {
      length = longest - 1
      while (load<u32>(counts + (length << 2)) == 0) length--
    }
    const place = counts + (length << 2)
    store<u32>(place, load<u32>(place) - 1)
    store<u32>(place, load<u32>(place, 4) + 2, 4)
  }
}

/** Codes in the order of their lengths, then of their symbols; `counts` must be of these lengths. */
function assignCodes(lengths: usize, symbols: u32, codes: usize): void {
  let code: u32 = 0
  for (let length: u32 = 1; length < 16; length++) {
    code = (code + load<u32>(counts + ((length - 1) << 2))) << 1
    store<u32>(next + (length << 2), code)
  }
  for (let i: u32 = 0; i < symbols; i++) {
    const length = <u32>load<u8>(lengths + i)
    if (length == 0) {
      store<u32>(codes + (i << 2), 0)
      continue
    }
    const at = next + (length << 2)
    const canonical = load<u32>(at)
    store<u32>(at, canonical + 1)
    store<u32>(codes + (i << 2), (reversed(canonical) >> (16 - length)) | (length << 24))
  }
}

/** Codes for lengths that are known already. */
export function codesOf(lengths: usize, symbols: u32, codes: usize): void {
  memory.fill(counts, 0, 64)
  for (let i: u32 = 0; i < symbols; i++) {
    const length = <usize>load<u8>(lengths + i)
    if (length) store<u32>(counts + (length << 2), load<u32>(counts + (length << 2)) + 1)
  }
  assignCodes(lengths, symbols, codes)
}

/** The 16 bits the other way round. */
@inline
function reversed(bits: u32): u32 {
  let x = bits
  x = ((x & 0x5555) << 1) | ((x >> 1) & 0x5555)
  x = ((x & 0x3333) << 2) | ((x >> 2) & 0x3333)
  x = ((x & 0x0f0f) << 4) | ((x >> 4) & 0x0f0f)
  return ((x & 0x00ff) << 8) | (x >> 8)
}
