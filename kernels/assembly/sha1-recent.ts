// The blocks that were hashed last, with what the collision check needs of them. Up to sixteen slots of eight lanes: one bit of a vector for
// each block, so that the conditions of all 128 are tried at once. What meets them goes on to sha1-collision.ts.
// A block's place in memory must stay what it is until its conditions have been tried: all callers settle before they return.

import { allowed, collectBits, MESSAGES, SLOT_BYTES, SLOTS, testConditions, VECTORS, WORDS_BYTES } from '../../build/generated/sha1'
import { suspect, suspectsClear, suspectsLeft } from './sha1-collision'

/** What a lane's message number says when the lane is idle: what it hashed is of no account. */
export const IDLE: i32 = -1

const slots: usize = memory.data(8704, 16)
/** Expanded words of an even slot, then of an odd one. */
const words: usize = memory.data(5120, 16)
let used: u32 = 0

/** For tests: where 16 bytes for each vector tell which of the last blocks tried met its conditions, block i by bit i. */
export function sha1Allowed(): usize {
  return allowed
}

/** Forgets all blocks: what a failed job has left. */
export function recentClear(): void {
  used = 0
  suspectsClear()
}

/** The slot to fill next, and where its expanded words go. */
@inline
export function nextSlot(): usize {
  return slots + <usize>used * SLOT_BYTES
}

@inline
export function nextWords(): usize {
  return words + <usize>(used & 1) * WORDS_BYTES
}

/** The next slot has been filled. Returns −1, or the number of a message that carries an attack. */
@inline
export function slotFilled(): i32 {
  used++
  if ((used & 1) == 0) collectBits(words, words + WORDS_BYTES, (used >> 1) - 1)
  return used == SLOTS ? tryRecent() : -1
}

/** Tries all that is left. Returns −1, or the number of a message that carries an attack. */
export function settle(): i32 {
  if (used & 1) collectBits(words, words + WORDS_BYTES, used >> 1)
  const bad = tryRecent()
  return bad >= 0 ? bad : suspectsLeft()
}

function tryRecent(): i32 {
  if (used == 0) return -1
  const count = used << 3
  used = 0
  if (!testConditions(i64x2(lowest(min<u32>(count, 64)), lowest(max<u32>(count, 64) - 64)))) return -1
  for (let vector: u32 = 0; vector < VECTORS; vector++) {
    for (let half: u32 = 0; half < 2; half++) {
      let left = load<u64>(allowed + (vector << 4) + (half << 3))
      while (left) {
        const block = <u32>ctz<u64>(left) + (half << 6)
        left &= left - 1
        const slot = slots + <usize>(block >> 3) * SLOT_BYTES
        if (load<i32>(slot + ((block & 7) << 2), MESSAGES) == IDLE) continue
        const bad = suspect(slot, block & 7, vector)
        if (bad >= 0) return bad
      }
    }
  }
  return -1
}

/** The lowest `count` bits. */
@inline
function lowest(count: u32): u64 {
  return count == 64 ? ~<u64>0 : (<u64>1 << count) - 1
}
