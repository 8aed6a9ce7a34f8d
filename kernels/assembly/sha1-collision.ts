// Whether a block is one half of a collision that follows a given disturbance vector (Stevens, "Counter-cryptanalysis", CRYPTO 2013):
// the other half's message is known (this block's words, changed by the vector's differences), and in the middle, where the vector has no
// difference, so is its state. Computed from there back to its start and on to its end, both halves end in the same value or they don't.
// Runs for about one block in a hundred, so it is written for reading.

import { differences, EARLY_STEP } from '../../build/generated/sha1'

const message: usize = memory.data(320)
const middle: usize = memory.data(20)
const other: usize = memory.data(20)

// @ts-ignore: decorator
@inline
function word(t: u32): u32 {
  return load<u32>(message + (t << 2))
}

// @ts-ignore: decorator
@inline
function roundValue(t: u32, b: u32, c: u32, d: u32): u32 {
  if (t < 20) return (d ^ (b & (c ^ d))) + 0x5a827999
  if (t < 40) return (b ^ c ^ d) + 0x6ed9eba1
  if (t < 60) return ((b & c) | (d & (b ^ c))) + 0x8f1bbcdc
  return (b ^ c ^ d) + 0xca62c1d6
}

/** Steps from…to−1 over the five words at `state`. */
function forward(state: usize, from: u32, to: u32): void {
  let a = load<u32>(state)
  let b = load<u32>(state, 4)
  let c = load<u32>(state, 8)
  let d = load<u32>(state, 12)
  let e = load<u32>(state, 16)
  for (let t = from; t < to; t++) {
    const next = rotl<u32>(a, 5) + roundValue(t, b, c, d) + e + word(t)
    e = d
    d = c
    c = rotl<u32>(b, 30)
    b = a
    a = next
  }
  save(state, a, b, c, d, e)
}

/** Takes steps from−1…0 back. */
function backward(state: usize, from: u32): void {
  let a = load<u32>(state)
  let b = load<u32>(state, 4)
  let c = load<u32>(state, 8)
  let d = load<u32>(state, 12)
  let e = load<u32>(state, 16)
  for (let t = from; t-- > 0; ) {
    const next = a
    a = b
    b = rotl<u32>(c, 2)
    c = d
    d = e
    e = next - rotl<u32>(a, 5) - roundValue(t, b, c, d) - word(t)
  }
  save(state, a, b, c, d, e)
}

function save(state: usize, a: u32, b: u32, c: u32, d: u32, e: u32): void {
  store<u32>(state, a)
  store<u32>(state, b, 4)
  store<u32>(state, c, 8)
  store<u32>(state, d, 12)
  store<u32>(state, e, 16)
}

/** `start`: the five words of state before the block. */
export function collides(start: usize, block: usize, vector: u32): bool {
  for (let t: u32 = 0; t < 16; t++) store<u32>(message + (t << 2), bswap<u32>(load<u32>(block + (t << 2))))
  for (let t: u32 = 16; t < 80; t++) store<u32>(message + (t << 2), rotl<u32>(word(t - 3) ^ word(t - 8) ^ word(t - 14) ^ word(t - 16), 1))
  const step: u32 = (EARLY_STEP >> vector) & 1 ? 58 : 65
  memory.copy(middle, start, 20)
  forward(middle, 0, step)
  memory.copy(other, middle, 20)
  forward(middle, step, 80)
  // middle + start is what this block ends in. Now the other half.
  const change = differences + vector * 320
  for (let t: u32 = 0; t < 80; t++) store<u32>(message + (t << 2), word(t) ^ load<u32>(change + (t << 2)))
  memory.copy(otherStart, other, 20)
  backward(otherStart, step)
  forward(other, step, 80)
  for (let i: usize = 0; i < 20; i += 4) {
    if (load<u32>(middle + i) + load<u32>(start + i) != load<u32>(other + i) + load<u32>(otherStart + i)) return false
  }
  return true
}

const otherStart: usize = memory.data(20)
