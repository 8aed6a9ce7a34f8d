// Makes deltas (gitformat-pack(5), "Deltified representation"). A base is indexed once, by its 16-byte blocks, and then serves any number of targets.
// At each place of the target where a block of the base stands, the longest of the blocks that begin alike is taken, and extended both ways.
// Index: a head for each hash (u32, block number + 1, 0: none), then for each block the next one with its hash, ascending.
// Room: reads up to 16 bytes behind base and target, and writes up to 16 behind what it makes; neither counts.

const BLOCK: usize = 16
/** Blocks alike that are compared at most, and blocks of one hash that are looked at: repeated content must not cost quadratic time. */
const MOST_ALIKE: u32 = 64
const MOST_LOOKS: u32 = 512
/** A match of this length is good enough. */
const LONG_ENOUGH: usize = 4096
const LONGEST_INSERT: usize = 127
const LONGEST_COPY: usize = 0x10000
const SMALLEST_BITS: u32 = 4
const LARGEST_BITS: u32 = 24

@inline
function hashBits(size: usize): u32 {
  const blocks = <u32>(size / BLOCK)
  return min<u32>(LARGEST_BITS, max<u32>(SMALLEST_BITS, 33 - clz<u32>(blocks)))
}

/** Bytes of the index of a base of that size. */
export function deltaIndexBytes(size: usize): usize {
  return (<usize>4 << hashBits(size)) + (size / BLOCK) * 4
}

@inline
function slotOf(index: usize, low: u64, high: u64, shift: u64): usize {
  return index + (<usize>((low * 0x9e3779b97f4a7c15 + high * 0xd6e8feb86659fd93) >> shift) << 2)
}

/** Indexes `size` bytes at `base`; the index goes to `index`. */
export function deltaIndex(base: usize, size: usize, index: usize): void {
  const bits = hashBits(size)
  const shift: u64 = 64 - bits
  const nexts = index + (<usize>4 << bits)
  memory.fill(index, 0, <usize>4 << bits)
  let block = <u32>(size / BLOCK)
  // backwards, so that a list begins with the earliest block; of a run of equal blocks only the first is listed, since matches are extended
  let afterLow: u64 = 0
  let afterHigh: u64 = 0
  let afterSlot: usize = 0
  while (block > 0) {
    const at = base + <usize>(block - 1) * BLOCK
    const low = load<u64>(at)
    const high = load<u64>(at, 8)
    const slot = slotOf(index, low, high, shift)
    const isRun = afterSlot != 0 && low == afterLow && high == afterHigh
    const next = nexts + (<usize>(block - 1) << 2)
    store<u32>(next, isRun ? load<u32>(next, 4) : load<u32>(slot))
    store<u32>(slot, block)
    afterLow = low
    afterHigh = high
    afterSlot = slot
    block--
  }
}

@inline
function putSize(to: usize, size: usize): usize {
  let rest = size
  while (rest >= 128) {
    store<u8>(to++, <u8>(rest | 128))
    rest >>= 7
  }
  store<u8>(to++, <u8>rest)
  return to
}

@inline
function putInsert(to: usize, from: usize, end: usize): usize {
  while (from < end) {
    const size = min<usize>(LONGEST_INSERT, end - from)
    store<u8>(to++, <u8>size)
    if (size <= 16) v128.store(to, v128.load(from))
    else memory.copy(to, from, size)
    to += size
    from += size
  }
  return to
}

@inline
function putCopy(to: usize, offset: usize, size: usize): usize {
  const op = to++
  let bits: u32 = 128
  if (offset & 0xff) {
    store<u8>(to++, <u8>offset)
    bits |= 1
  }
  if (offset & 0xff00) {
    store<u8>(to++, <u8>(offset >> 8))
    bits |= 2
  }
  if (offset & 0xff0000) {
    store<u8>(to++, <u8>(offset >> 16))
    bits |= 4
  }
  if (offset & 0xff000000) {
    store<u8>(to++, <u8>(offset >> 24))
    bits |= 8
  }
  if (size & 0xff) {
    store<u8>(to++, <u8>size)
    bits |= 16
  }
  if (size & 0xff00) {
    store<u8>(to++, <u8>(size >> 8))
    bits |= 32
  }
  store<u8>(op, <u8>bits)
  return to
}

/** How many bytes are the same from both places on. */
@inline
function same(a: usize, b: usize, most: usize): usize {
  let length: usize = 0
  while (length < most) {
    const differs = load<u64>(a + length) ^ load<u64>(b + length)
    if (differs) return min<usize>(length + <usize>(ctz(differs) >> 3), most)
    length += 8
  }
  return most
}

/** The same, backwards from both places. */
@inline
function sameBefore(a: usize, b: usize, most: usize): usize {
  let length: usize = 0
  while (length < most && load<u8>(a - length - 1) == load<u8>(b - length - 1)) length++
  return length
}

/**
 * A delta that makes the target (`size` bytes) of the base, at `to`; its length, or 0 when it would be longer than `most`.
 * Room for `most` + 160 bytes is needed at `to`.
 */
export function deltaEncode(base: usize, baseSize: usize, index: usize, target: usize, size: usize, to: usize, most: usize): usize {
  const bits = hashBits(baseSize)
  const shift: u64 = 64 - bits
  const nexts = index + (<usize>4 << bits) - 4
  const end = target + size
  const limit = to + most
  let out = putSize(putSize(to, baseSize), size)
  let pending = target // the first byte that no instruction makes yet
  let at = target
  const last = size < BLOCK ? target : end - (BLOCK - 1)
  while (at < last) {
    const low = load<u64>(at)
    const high = load<u64>(at, 8)
    let block = load<u32>(slotOf(index, low, high, shift))
    let best: usize = 0
    let bestFrom: usize = 0
    let alike: u32 = 0
    for (let looks: u32 = 0; block != 0 && looks < MOST_LOOKS; looks++) {
      const from = base + <usize>(block - 1) * BLOCK
      if (load<u64>(from) == low && load<u64>(from, 8) == high) {
        const length = same(from, at, min<usize>(base + baseSize - from, end - at))
        if (length > best) {
          best = length
          bestFrom = from
          if (length >= LONG_ENOUGH) break
        }
        if (++alike == MOST_ALIKE) break
      }
      block = load<u32>(nexts + (<usize>block << 2))
    }
    if (best == 0) {
      at++
      if (out + (at - pending) > limit + BLOCK) return 0 // a match may yet take back up to a block
      continue
    }
    const before = sameBefore(bestFrom, at, min<usize>(at - pending, bestFrom - base))
    out = putInsert(out, pending, at - before)
    let offset = bestFrom - before - base
    let left = best + before
    at += best
    pending = at
    while (left > 0) {
      const part = min<usize>(left, LONGEST_COPY)
      out = putCopy(out, offset, part)
      offset += part
      left -= part
      if (out > limit) return 0
    }
  }
  const rest = end - pending
  if (out + rest + (rest + LONGEST_INSERT - 1) / LONGEST_INSERT > limit) return 0
  out = putInsert(out, pending, end)
  return out - to
}
