// Whether a block is one half of a collision that follows a given disturbance vector (Stevens, "Counter-cryptanalysis", CRYPTO 2013):
// the other half's message is known (this block's words, changed by the vector's differences), and in the middle, where the vector has no
// difference, so is its state. Computed from there back to its start and on to its end, both halves end in the same value or they don't.
// Runs for about one block in twenty.

import { differences, EARLY_STEP, middle } from '../../build/generated/sha1'

const message: usize = memory.data(320)
const from: usize = memory.data(20)
const to: usize = memory.data(20)

@inline
function word(t: u32): u32 {
  return load<u32>(message + (t << 2))
}

@inline
function choose(b: u32, c: u32, d: u32): u32 {
  return (d ^ (b & (c ^ d))) + 0x5a827999
}

@inline
function parity(b: u32, c: u32, d: u32, constant: u32): u32 {
  return (b ^ c ^ d) + constant
}

@inline
function majority(b: u32, c: u32, d: u32): u32 {
  return ((b & c) | (d & (b ^ c))) + 0x8f1bbcdc
}

@inline
function save(state: usize, a: u32, b: u32, c: u32, d: u32, e: u32): void {
  store<u32>(state, a)
  store<u32>(state, b, 4)
  store<u32>(state, c, 8)
  store<u32>(state, d, 12)
  store<u32>(state, e, 16)
}

/** Steps `step` (at least 40) to 79 over the five words at `state`. */
function forward(state: usize, step: u32): void {
  let a = load<u32>(state), b = load<u32>(state, 4), c = load<u32>(state, 8), d = load<u32>(state, 12), e = load<u32>(state, 16)
  for (let t = step; t < 80; t++) {
    const mixed = t < 60 ? majority(b, c, d) : parity(b, c, d, 0xca62c1d6)
    const next = rotl<u32>(a, 5) + mixed + e + word(t)
    e = d
    d = c
    c = rotl<u32>(b, 30)
    b = a
    a = next
  }
  save(state, a, b, c, d, e)
}

/** Takes steps `step`−1 to 0 back. */
function backward(state: usize, step: u32): void {
  let a = load<u32>(state), b = load<u32>(state, 4), c = load<u32>(state, 8), d = load<u32>(state, 12), e = load<u32>(state, 16)
  let t = step
  while (t-- > 0) {
    const next = a
    a = b
    b = rotl<u32>(c, 2)
    c = d
    d = e
    const mixed = t >= 40 ? (t >= 60 ? parity(b, c, d, 0xca62c1d6) : majority(b, c, d)) : t >= 20 ? parity(b, c, d, 0x6ed9eba1) : choose(b, c, d)
    e = next - rotl<u32>(a, 5) - mixed - word(t)
  }
  save(state, a, b, c, d, e)
}

/** The block's 80 words, changed by the vector's differences. */
function otherMessage(block: usize, vector: u32): void {
  for (let t: u32 = 0; t < 16; t++) store<u32>(message + (t << 2), bswap<u32>(load<u32>(block + (t << 2))))
  for (let t: u32 = 16; t < 80; t++) store<u32>(message + (t << 2), rotl<u32>(word(t - 3) ^ word(t - 8) ^ word(t - 14) ^ word(t - 16), 1))
  const change = differences + vector * 320
  for (let i: usize = 0; i < 320; i += 16) v128.store(message + i, v128.xor(v128.load(message + i), v128.load(change + i)))
}

/** `after`: the five words of state behind the block, `stride` bytes apart. `lane`: where its states in the middle were kept. */
export function collides(after: usize, stride: usize, block: usize, lane: u32, vector: u32): bool {
  const isEarly = ((EARLY_STEP >> vector) & 1) != 0
  const step: u32 = isEarly ? 58 : 65
  const kept = middle + (lane << 2) + (isEarly ? 0 : 80)
  for (let i: u32 = 0; i < 5; i++) {
    const word = load<u32>(kept + (i << 4))
    store<u32>(from + (i << 2), word)
    store<u32>(to + (i << 2), word)
  }
  otherMessage(block, vector)
  forward(to, step)
  backward(from, step)
  for (let i: usize = 0; i < 5; i++) {
    if (load<u32>(after + i * stride) != load<u32>(to + (i << 2)) + load<u32>(from + (i << 2))) return false
  }
  return true
}
