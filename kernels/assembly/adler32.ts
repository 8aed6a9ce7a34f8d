// Adler-32 (RFC 1950 §8.2), sixteen bytes a step.

const MODULUS: u32 = 65521
/** Bytes after which the sums must be reduced: the most for which they stay below 2^32. */
const RUN: usize = 5552

@inline
function sum(v: v128): u32 {
  return i32x4.extract_lane(v, 0) + i32x4.extract_lane(v, 1) + i32x4.extract_lane(v, 2) + i32x4.extract_lane(v, 3)
}

/** Goes on from `seed` (1 for a new stream) over `size` bytes. */
export function adler32(seed: u32, at: usize, size: usize): u32 {
  let a = seed & 0xffff
  let b = seed >> 16
  const high = i16x8(16, 15, 14, 13, 12, 11, 10, 9)
  const low = i16x8(8, 7, 6, 5, 4, 3, 2, 1)
  const ones = i16x8.splat(1)
  let left = size
  while (left) {
    let run = min<usize>(left, RUN)
    left -= run
    const blocks = <u32>(run >> 4)
    if (blocks) {
      let sumA = i32x4.splat(0)
      let sumB = i32x4.splat(0)
      let before = i32x4.splat(0)
      for (let i: u32 = 0; i < blocks; i++) {
        const bytes = v128.load(at)
        at += 16
        const first = i16x8.extend_low_i8x16_u(bytes)
        const second = i16x8.extend_high_i8x16_u(bytes)
        before = i32x4.add(before, sumA)
        sumA = i32x4.add(sumA, i32x4.add(i32x4.dot_i16x8_s(first, ones), i32x4.dot_i16x8_s(second, ones)))
        sumB = i32x4.add(sumB, i32x4.add(i32x4.dot_i16x8_s(first, high), i32x4.dot_i16x8_s(second, low)))
      }
      b = (b + ((a * (blocks << 4)) % MODULUS) + (sum(before) % MODULUS) * 16 + (sum(sumB) % MODULUS)) % MODULUS
      a = (a + sum(sumA)) % MODULUS
      run &= 15
    }
    while (run--) {
      a += load<u8>(at++)
      b += a
    }
    a %= MODULUS
    b %= MODULUS
  }
  return (b << 16) | a
}
