// Cuts content into chunks: FastCDC (Xia et al., 2020), normalised, two bytes a step. The twin says what it computes, a byte at a time.
// A cut stands behind a byte when certain bits of the rolling sum are zero: the high ones, because they hold traces of the last 64 bytes, the
// low ones only of the last few. More bits must be zero before the normal size, fewer behind it, so that sizes gather around it.
// The highest bit isn't asked: every other byte is looked at in a sum that is shifted once too far.

const gear: usize = memory.data(2048)
const gearTwice: usize = memory.data(2048)

/** The table is splitmix64 from zero on: the same for ever, or nothing would be found again. */
export function chunkSetup(): void {
  let state: u64 = 0
  for (let i: u32 = 0; i < 256; i++) {
    state += 0x9e3779b97f4a7c15
    let z = state
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb
    z ^= z >> 31
    store<u64>(gear + (i << 3), z)
    store<u64>(gearTwice + (i << 3), z << 1)
  }
}

/** The rolling sum at the last place that `roll` looked at. */
let sum: u64 = 0

@inline
function mask(bits: u32): u64 {
  return (((<u64>1) << bits) - 1) << (63 - bits)
}

/** Looks at the bytes from `at` to `end`, an even number of them; the place behind the cut, or 0 when there is none. */
@inline
function roll(at: usize, end: usize, bits: u32): usize {
  const asked = mask(bits)
  const askedTwice = asked << 1
  let rolling = sum
  while (at < end) {
    rolling = (rolling << 2) + load<u64>(gearTwice + (<usize>load<u8>(at) << 3))
    if (!(rolling & askedTwice)) return at + 1
    rolling += load<u64>(gear + (<usize>load<u8>(at, 1) << 3))
    if (!(rolling & asked)) return at + 2
    at += 2
  }
  sum = rolling
  return 0
}

/**
 * The size of the chunk that begins at `at`, where `size` bytes are left: all of them when there is no cut before and they are not more than `most`.
 * Whoever has more to come gives at least `most`. `least`, `normal` and `most` are even; the normal size is 2^bits.
 */
export function chunkSize(at: usize, size: usize, least: usize, bits: u32, most: usize): usize {
  if (size <= least) return size
  const end = min(size, most)
  const whole = end & ~1 // a last odd byte isn't looked at: a cut behind it would be the end anyway
  const normal = min(<usize>1 << bits, whole)
  sum = 0
  let cut = roll(at + least, at + normal, bits + 2)
  if (!cut) cut = roll(at + normal, at + whole, bits - 2)
  return cut ? cut - at : end
}
