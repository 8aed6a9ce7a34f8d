// Whether a block is one half of a collision that follows a given disturbance vector (Stevens, "Counter-cryptanalysis", CRYPTO 2013):
// the other half's message is known (this block's words, changed by the vector's differences), and in the middle, where the vector has no
// difference, so is its state. Computed from there back to its start and on to its end, both halves end in the same value or they don't.
// About one block in twenty is suspect. Suspects wait until there are four with the same middle, one for each SIMD lane.

import { differences, EARLY_STEP, middle } from '../../build/generated/sha1'

// A batch: 16 words of the other half's message, 5 of its state in the middle, 5 of this half's end, a tag; four lanes each.
const STATE: usize = 256
const END: usize = 336
const TAG: usize = 416
const BATCH: usize = 432
const batches: usize = memory.data(864, 16)
let earlyCount: u32 = 0
let lateCount: u32 = 0

const words: usize = memory.data(1280, 16)

/** Forgets suspects that a failed job has left. */
export function suspectsClear(): void {
  earlyCount = 0
  lateCount = 0
}

/**
 * Adds a suspect: the block, the vector, the lane in which its states in the middle were kept, and `after`, the five words of state behind
 * it, `stride` bytes apart. Returns the tag of a suspect that is an attack, or −1 as far as is known.
 */
export function suspect(after: usize, stride: usize, block: usize, lane: u32, vector: u32, tag: i32): i32 {
  const isEarly = ((EARLY_STEP >> vector) & 1) != 0
  const at = (isEarly ? batches : batches + BATCH) + <usize>((isEarly ? earlyCount : lateCount) << 2)
  const change = differences + vector * 320
  // The message expansion is linear: the other half's first 16 words give all its words.
  for (let t: usize = 0; t < 16; t++) {
    store<u32>(at + (t << 4), bswap<u32>(load<u32>(block + (t << 2))) ^ load<u32>(change + (t << 2)))
  }
  const kept = middle + (lane << 2) + (isEarly ? 0 : 80)
  for (let i: usize = 0; i < 5; i++) {
    store<u32>(at + (i << 4), load<u32>(kept + (i << 4)), STATE)
    store<u32>(at + (i << 4), load<u32>(after + i * stride), END)
  }
  store<i32>(at, tag, TAG)
  if (isEarly) {
    if (++earlyCount == 4) return checkBatch(true)
  } else if (++lateCount == 4) return checkBatch(false)
  return -1
}

/** Looks at the suspects that still wait; the tag of one that is an attack, or −1. */
export function suspectsLeft(): i32 {
  const early = earlyCount ? checkBatch(true) : -1
  const late = lateCount ? checkBatch(false) : -1
  return early >= 0 ? early : late
}

function checkBatch(isEarly: bool): i32 {
  const batch = isEarly ? batches : batches + BATCH
  const count = isEarly ? earlyCount : lateCount
  if (isEarly) earlyCount = 0
  else lateCount = 0
  expand(batch)
  const bad = <u32>i32x4.bitmask(endsEqual(batch, isEarly ? 58 : 65)) & ((1 << count) - 1)
  return bad ? load<i32>(batch + (ctz<u32>(bad) << 2), TAG) : -1
}

function expand(batch: usize): void {
  memory.copy(words, batch, 256)
  for (let at = words + 256; at < words + 1280; at += 16) {
    const mixed = v128.xor(v128.xor(v128.load(at - 48), v128.load(at - 128)), v128.xor(v128.load(at - 224), v128.load(at - 256)))
    v128.store(at, rotate1(mixed))
  }
}

@inline
function rotate1(x: v128): v128 {
  return v128.or(i32x4.add(x, x), i32x4.shr_u(x, 31))
}

@inline
function rotate5(x: v128): v128 {
  return v128.or(i32x4.shl(x, 5), i32x4.shr_u(x, 27))
}

@inline
function rotate30(x: v128): v128 {
  return v128.or(i32x4.shl(x, 30), i32x4.shr_u(x, 2))
}

@inline
function rotate2(x: v128): v128 {
  return v128.or(i32x4.shl(x, 2), i32x4.shr_u(x, 30))
}

/** What step t adds beside the rotated a, e: its function of b, c and d, its constant and its word. */
@inline
function mixed(t: u32, b: v128, c: v128, d: v128): v128 {
  const word = v128.load(words + (<usize>t << 4))
  if (t >= 60) return i32x4.add(word, i32x4.add(v128.xor(v128.xor(b, c), d), i32x4.splat(<i32>0xca62c1d6)))
  if (t >= 40) return i32x4.add(word, i32x4.add(v128.or(v128.and(b, c), v128.and(d, v128.xor(b, c))), i32x4.splat(<i32>0x8f1bbcdc)))
  if (t >= 20) return i32x4.add(word, i32x4.add(v128.xor(v128.xor(b, c), d), i32x4.splat(0x6ed9eba1)))
  return i32x4.add(word, i32x4.add(v128.xor(d, v128.and(b, v128.xor(c, d))), i32x4.splat(0x5a827999)))
}

/** In each lane, all ones when both halves end in the same state. */
function endsEqual(batch: usize, step: u32): v128 {
  let a = v128.load(batch, STATE), b = v128.load(batch, STATE + 16), c = v128.load(batch, STATE + 32), d = v128.load(batch, STATE + 48)
  let e = v128.load(batch, STATE + 64)
  for (let t: u32 = step; t < 80; t++) {
    const next = i32x4.add(i32x4.add(rotate5(a), e), mixed(t, b, c, d))
    e = d
    d = c
    c = rotate30(b)
    b = a
    a = next
  }
  const a80 = a, b80 = b, c80 = c, d80 = d, e80 = e
  a = v128.load(batch, STATE)
  b = v128.load(batch, STATE + 16)
  c = v128.load(batch, STATE + 32)
  d = v128.load(batch, STATE + 48)
  e = v128.load(batch, STATE + 64)
  let t = step
  while (t-- > 0) {
    const next = a
    a = b
    b = rotate2(c)
    c = d
    d = e
    e = i32x4.sub(i32x4.sub(next, rotate5(a)), mixed(t, b, c, d))
  }
  let equal = i32x4.eq(v128.load(batch, END), i32x4.add(a, a80))
  equal = v128.and(equal, i32x4.eq(v128.load(batch, END + 16), i32x4.add(b, b80)))
  equal = v128.and(equal, i32x4.eq(v128.load(batch, END + 32), i32x4.add(c, c80)))
  equal = v128.and(equal, i32x4.eq(v128.load(batch, END + 48), i32x4.add(d, d80)))
  return v128.and(equal, i32x4.eq(v128.load(batch, END + 64), i32x4.add(e, e80)))
}
