// SHA-1 with detection of collision attacks. Two ways: a queue of whole messages, four at a time in SIMD lanes; and one long message block by block.
// Both look at every block: does it meet the conditions of a disturbance vector (rarely), and then, is it one half of a collision (sha1-collision.ts)?
// Messages in the queue stand in memory with their padding behind them (frame.ts).

import { suspect, suspectsClear, suspectsLeft } from './sha1-collision'
import { allows, compressFour, compressOne, expandFour, survivorsOfFour, words } from '../../build/generated/sha1'

const MAX_QUEUE: u32 = 4096
/** For each message: where it starts (u32), blocks left (u32). */
const queue: usize = memory.data(32768)
const digests: usize = memory.data(81920)
let queued: u32 = 0

const states: usize = memory.data(80, 16)
const lanes: usize = memory.data(64)
const single: usize = memory.data(32)

export function sha1Digests(): usize {
  return digests
}

/** Adds a message of whole blocks; returns how many wait. The caller hashes when sha1QueueSize are there. */
export function sha1Add(at: usize, blocks: u32): u32 {
  store<u32>(queue + (queued << 3), <u32>at)
  store<u32>(queue + (queued << 3), blocks, 4)
  queued++
  return queued
}

/** Forgets all that wait: what a failed job has left. */
export function sha1Clear(): void {
  queued = 0
  suspectsClear()
}

export function sha1QueueSize(): u32 {
  return MAX_QUEUE
}

/** Hashes all that wait; digests stand in order at sha1Digests(). Returns −1, or which message carries an attack. */
export function sha1Flush(): i32 {
  const count = queued
  let next: u32 = 0
  let active: u32 = 0
  queued = 0
  for (let k: u32 = 0; k < 4; k++) {
    store<u32>(lanes + (k << 4), 0, 4)
    if (next < count) {
      takeMessage(k, next++)
      active++
    }
  }
  while (active > 1) {
    const bad = stepLanes()
    if (bad >= 0) return bad
    for (let k: u32 = 0; k < 4; k++) {
      const lane = lanes + (k << 4)
      if (load<u32>(lane, 4) != 0 || load<u32>(lane, 12) == 0) continue
      finish(k, load<u32>(lane, 8))
      store<u32>(lane, 0, 12)
      if (next < count) takeMessage(k, next++)
      else active--
    }
  }
  const bad = suspectsLeft()
  return bad >= 0 || active == 0 ? bad : finishLast()
}

/** A lane: position, blocks left, message number, busy. */
function takeMessage(k: u32, message: u32): void {
  const lane = lanes + (k << 4)
  store<u32>(lane, load<u32>(queue + (message << 3)))
  store<u32>(lane, load<u32>(queue + (message << 3), 4), 4)
  store<u32>(lane, message, 8)
  store<u32>(lane, 1, 12)
  const state = states + (k << 2)
  store<u32>(state, 0x67452301)
  store<u32>(state, 0xefcdab89, 16)
  store<u32>(state, 0x98badcfe, 32)
  store<u32>(state, 0x10325476, 48)
  store<u32>(state, 0xc3d2e1f0, 64)
}

/** Hashes in all lanes until the first busy one ends. An idle lane repeats another's blocks. */
function stepLanes(): i32 {
  let steps: u32 = 0xffffffff
  let any: usize = 0
  for (let k: u32 = 0; k < 4; k++) {
    const left = load<u32>(lanes + (k << 4), 4)
    if (left != 0) {
      steps = min<u32>(steps, left)
      any = load<u32>(lanes + (k << 4))
    }
  }
  let p0: usize = load<u32>(lanes, 4) ? load<u32>(lanes) : any
  let p1: usize = load<u32>(lanes, 20) ? load<u32>(lanes, 16) : any
  let p2: usize = load<u32>(lanes, 36) ? load<u32>(lanes, 32) : any
  let p3: usize = load<u32>(lanes, 52) ? load<u32>(lanes, 48) : any
  for (let i: u32 = 0; i < steps; i++) {
    compressFour(states, p0, p1, p2, p3)
    const survivors = survivorsOfFour()
    if (v128.any_true(survivors)) {
      const bad0 = suspectLane(0, i32x4.extract_lane(survivors, 0), p0)
      if (bad0 >= 0) return bad0
      const bad1 = suspectLane(1, i32x4.extract_lane(survivors, 1), p1)
      if (bad1 >= 0) return bad1
      const bad2 = suspectLane(2, i32x4.extract_lane(survivors, 2), p2)
      if (bad2 >= 0) return bad2
      const bad3 = suspectLane(3, i32x4.extract_lane(survivors, 3), p3)
      if (bad3 >= 0) return bad3
    }
    p0 += 64
    p1 += 64
    p2 += 64
    p3 += 64
  }
  for (let k: u32 = 0; k < 4; k++) {
    const lane = lanes + (k << 4)
    const left = load<u32>(lane, 4)
    if (left == 0) continue
    store<u32>(lane, load<u32>(lane) + (steps << 6))
    store<u32>(lane, left - steps, 4)
  }
  return -1
}

/** Hands on what the lane's block may be; −1, or the message that is found to carry an attack. */
function suspectLane(k: u32, survivors: u32, block: usize): i32 {
  // An idle lane has no state of its own; what it repeats is looked at in the lane it repeats.
  if (survivors == 0 || load<u32>(lanes + (k << 4), 12) == 0) return -1
  return suspectAll(states + (k << 2), 16, k, survivors, block, load<i32>(lanes + (k << 4), 8))
}

function suspectAll(after: usize, stride: usize, k: u32, survivors: u32, block: usize, message: i32): i32 {
  let left = survivors
  while (left) {
    const vector = ctz<u32>(left)
    left &= left - 1
    if (!allows(k, vector)) continue
    const bad = suspect(after, stride, block, k, vector, message)
    if (bad >= 0) return bad
  }
  return -1
}

function finish(k: u32, message: u32): void {
  const to = digests + message * 20
  for (let i: u32 = 0; i < 5; i++) store<u32>(to + (i << 2), bswap<u32>(load<u32>(states + (i << 4) + (k << 2))))
}

/** One message is left: its blocks are checked four at a time instead. */
function finishLast(): i32 {
  for (let k: u32 = 0; k < 4; k++) {
    const lane = lanes + (k << 4)
    if (load<u32>(lane, 12) == 0) continue
    for (let i: u32 = 0; i < 5; i++) store<u32>(lastState + (i << 2), load<u32>(states + (i << 4) + (k << 2)))
    const message = load<i32>(lane, 8)
    if (sha1Blocks(lastState, load<u32>(lane), load<u32>(lane, 4))) return message
    const to = digests + load<u32>(lane, 8) * 20
    for (let i: u32 = 0; i < 5; i++) store<u32>(to + (i << 2), bswap<u32>(load<u32>(lastState + (i << 2))))
    store<u32>(lane, 0, 12)
  }
  return -1
}

const lastState: usize = memory.data(32)

/** The state that a message begins with, five words at `state`. */
export function sha1Begin(state: usize): void {
  store<u32>(state, 0x67452301)
  store<u32>(state, 0xefcdab89, 4)
  store<u32>(state, 0x98badcfe, 8)
  store<u32>(state, 0x10325476, 12)
  store<u32>(state, 0xc3d2e1f0, 16)
}

/** States behind the last four blocks. */
const chain: usize = memory.data(80)

/** Goes on with one message over whole blocks. True when one of them carries an attack. */
export function sha1Blocks(state: usize, blocks: usize, count: u32): bool {
  let at = blocks
  let left = count
  while (left) {
    const group = min<u32>(left, 4)
    const last = at + ((group - 1) << 6)
    expandFour(at, min<usize>(at + 64, last), min<usize>(at + 128, last), last)
    for (let k: u32 = 0; k < group; k++) {
      compressOne(state, k << 2)
      memory.copy(chain + k * 20, state, 20)
    }
    const survivors = survivorsOfFour()
    if (v128.any_true(survivors)) {
      for (let k: u32 = 0; k < group; k++) {
        if (suspectAll(chain + k * 20, 4, k, laneOf(survivors, k), at + (k << 6), 0) >= 0) return true
      }
    }
    at += group << 6
    left -= group
  }
  return suspectsLeft() >= 0
}

function laneOf(v: v128, k: u32): u32 {
  v128.store(single, v)
  return load<u32>(single + (k << 2))
}
