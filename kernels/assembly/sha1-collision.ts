// Whether a block is one half of a collision that follows a given disturbance vector (Stevens, "Counter-cryptanalysis", CRYPTO 2013):
// the other half's message is known (this block's words, changed by the vector's differences), and in the middle, where the vector has no
// difference, so is its state. Computed from there back to its start and on to its end, both halves end in the same value or they don't.
// About one block in seventeen is suspect. Suspects wait until there are eight with the same middle, one for each lane of two vectors, x and y.

import {
  backFromEarly,
  backFromLate,
  changedWords,
  differences,
  EARLY_STEP,
  END,
  LATE,
  MESSAGES,
  onFromEarly,
  onFromLate,
  POINTERS,
} from '../../build/generated/sha1'

// A batch: where the suspect's block is, where its vector's differences are, 5 words of state in the middle, 5 of state behind the block,
// the number of its message; eight lanes each.
const CHANGES: usize = 32
const STATE: usize = 64
const ENDS: usize = 224
const MESSAGE: usize = 384
const BATCH: usize = 416
const batches: usize = memory.data(832, 16)
let earlyCount: u32 = 0
let lateCount: u32 = 0

const words: usize = memory.data(2560, 16)

/** Forgets suspects that a failed job has left. */
export function suspectsClear(): void {
  earlyCount = 0
  lateCount = 0
}

/** Adds a suspect: a lane of a slot, and the vector. Returns the number of a message that carries an attack, or −1 as far as is known. */
export function suspect(slot: usize, lane: u32, vector: u32): i32 {
  const isEarly = ((EARLY_STEP >> vector) & 1) != 0
  const at = (isEarly ? batches : batches + BATCH) + <usize>((isEarly ? earlyCount : lateCount) << 2)
  const from = slot + (lane << 2)
  store<u32>(at, load<u32>(from, POINTERS))
  store<u32>(at, <u32>(differences + (vector << 6)), CHANGES)
  const middle = from + (isEarly ? 0 : LATE)
  for (let i: usize = 0; i < 160; i += 32) {
    store<u32>(at + i, load<u32>(middle + i), STATE)
    store<u32>(at + i, load<u32>(from + i, END), ENDS)
  }
  store<i32>(at, load<i32>(from, MESSAGES), MESSAGE)
  if (isEarly) {
    if (++earlyCount == 8) return checkBatch(true)
  } else if (++lateCount == 8) return checkBatch(false)
  return -1
}

/** Looks at the suspects that still wait; the message of one that is an attack, or −1. */
export function suspectsLeft(): i32 {
  const early = earlyCount ? checkBatch(true) : -1
  const late = lateCount ? checkBatch(false) : -1
  return early >= 0 ? early : late
}

function checkBatch(isEarly: bool): i32 {
  const batch = isEarly ? batches : batches + BATCH
  const count = isEarly ? earlyCount : lateCount
  // Lanes without a suspect hold an earlier one, or zeros: any place can be read, and what comes of it is not looked at.
  changedWords(words, batch)
  expand()
  if (isEarly) {
    earlyCount = 0
    backFromEarly(words, batch + STATE, first)
    onFromEarly(words, batch + STATE, last)
  } else {
    lateCount = 0
    backFromLate(words, batch + STATE, first)
    onFromLate(words, batch + STATE, last)
  }
  const bad = endsEqual(batch) & ((1 << count) - 1)
  return bad ? load<i32>(batch + (ctz<u32>(bad) << 2), MESSAGE) : -1
}

/** The message expansion is linear: the other half's first 16 words give all its words. */
function expand(): void {
  for (let at = words + 512; at < words + 2560; at += 16) {
    const mixed = v128.xor(v128.xor(v128.load(at - 96), v128.load(at - 256)), v128.xor(v128.load(at - 448), v128.load(at - 512)))
    v128.store(at, v128.or(i32x4.add(mixed, mixed), i32x4.shr_u(mixed, 31)))
  }
}

/** The other half's state before its first step, and behind its last. */
const first: usize = memory.data(320, 16)
const last: usize = first + 160

/** For tests: where those of the last batch stand, five words of eight lanes each. */
export function sha1OtherHalf(): usize {
  return first
}

/** Bit k: in lane k both halves end in the same state. */
function endsEqual(batch: usize): u32 {
  let x = i32x4.splat(-1)
  let y = x
  for (let i: usize = 0; i < 160; i += 32) {
    x = v128.and(x, i32x4.eq(v128.load(batch + i, ENDS), i32x4.add(v128.load(first + i), v128.load(last + i))))
    y = v128.and(y, i32x4.eq(v128.load(batch + i, ENDS + 16), i32x4.add(v128.load(first + i, 16), v128.load(last + i, 16))))
  }
  return <u32>i32x4.bitmask(x) | (<u32>i32x4.bitmask(y) << 4)
}
