// SHA-1 with detection of collision attacks. Two ways: a queue of whole messages, eight at a time in SIMD lanes; and one long message block by
// block. Both keep what they hashed last (sha1-recent.ts), where every block is looked at: does it meet the conditions of a disturbance
// vector (rarely), and then, is it one half of a collision?
// Messages in the queue stand in memory with their padding behind them (frame.ts).

import { compressEight, compressOne, expandFour, MESSAGES, POINTERS } from '../../build/generated/sha1'
import { IDLE, nextSlot, nextWords, recentClear, settle, slotFilled } from './sha1-recent'

const MAX_QUEUE: u32 = 4096
/** For each message: where it starts (u32), blocks left (u32). */
const queue: usize = memory.data(32768)
/** The messages' numbers (u16), long ones first. */
const order: usize = memory.data(8192)
const digests: usize = memory.data(81920)
let queued: u32 = 0

const LANES: u32 = 8
/** With fewer messages under way they are finished one by one: the lanes would be idle for the most part. */
const FEWEST_LANES: u32 = 3
/** The state of each lane, five words of eight lanes; where each lane is, blocks left, the message's number. */
const states: usize = memory.data(160, 16)
const places: usize = memory.data(32, 16)
const lefts: usize = memory.data(32, 16)
const messages: usize = memory.data(32, 16)

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
  recentClear()
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
  recentClear()
  putInOrder(count)
  for (let k: u32 = 0; k < LANES; k++) {
    store<u32>(lefts + (k << 2), 0)
    store<i32>(messages + (k << 2), IDLE)
    if (next < count) {
      takeMessage(k, load<u16>(order + (next++ << 1)))
      active++
    }
  }
  while (active >= FEWEST_LANES) {
    const bad = stepLanes()
    if (bad >= 0) return bad
    for (let k: u32 = 0; k < LANES; k++) {
      if (load<u32>(lefts + (k << 2)) != 0 || load<i32>(messages + (k << 2)) == IDLE) continue
      writeDigest(load<i32>(messages + (k << 2)), states + (k << 2), 32)
      store<i32>(messages + (k << 2), IDLE)
      if (next < count) takeMessage(k, load<u16>(order + (next++ << 1)))
      else active--
    }
  }
  for (let k: u32 = 0; k < LANES; k++) {
    const bad = finishAlone(k)
    if (bad >= 0) return bad
  }
  return settle()
}

const starts: usize = memory.data(136)

/** Long messages first, by their highest bit: then all lanes end at nearly the same time. */
function putInOrder(count: u32): void {
  memory.fill(starts, 0, 136)
  for (let i: u32 = 0; i < count; i++) {
    const at = starts + (<usize>clz<u32>(load<u32>(queue + (i << 3), 4)) << 2)
    store<u32>(at, load<u32>(at, 4) + 1, 4)
  }
  for (let at = starts; at < starts + 132; at += 4) store<u32>(at, load<u32>(at, 4) + load<u32>(at), 4)
  for (let i: u32 = 0; i < count; i++) {
    const at = starts + (<usize>clz<u32>(load<u32>(queue + (i << 3), 4)) << 2)
    const place = load<u32>(at)
    store<u32>(at, place + 1)
    store<u16>(order + (place << 1), <u16>i)
  }
}

function takeMessage(k: u32, message: u32): void {
  store<u32>(places + (k << 2), load<u32>(queue + (message << 3)))
  store<u32>(lefts + (k << 2), load<u32>(queue + (message << 3), 4))
  store<i32>(messages + (k << 2), <i32>message)
  const state = states + (k << 2)
  store<u32>(state, 0x67452301)
  store<u32>(state, 0xefcdab89, 32)
  store<u32>(state, 0x98badcfe, 64)
  store<u32>(state, 0x10325476, 96)
  store<u32>(state, 0xc3d2e1f0, 128)
}

/** Hashes in all lanes until the first busy one ends. An idle lane repeats another's blocks. */
function stepLanes(): i32 {
  let steps: u32 = 0xffffffff
  let any: u32 = 0
  for (let at: usize = 0; at < 32; at += 4) {
    const left = load<u32>(lefts + at)
    if (left == 0) continue
    steps = min<u32>(steps, left)
    any = load<u32>(places + at)
  }
  for (let at: usize = 0; at < 32; at += 4) {
    const left = load<u32>(lefts + at)
    if (left == 0) store<u32>(places + at, any)
    else store<u32>(lefts + at, left - steps)
  }
  const block = i32x4.splat(64)
  for (let i: u32 = 0; i < steps; i++) {
    const slot = nextSlot()
    const x = v128.load(places)
    const y = v128.load(places, 16)
    v128.store(slot, x, POINTERS)
    v128.store(slot, y, POINTERS + 16)
    v128.store(slot, v128.load(messages), MESSAGES)
    v128.store(slot, v128.load(messages, 16), MESSAGES + 16)
    compressEight(states, nextWords(), slot)
    v128.store(places, i32x4.add(x, block))
    v128.store(places, i32x4.add(y, block), 16)
    const bad = slotFilled()
    if (bad >= 0) return bad
  }
  return -1
}

function writeDigest(message: u32, state: usize, stride: usize): void {
  const to = digests + message * 20
  for (let i: usize = 0; i < 5; i++) store<u32>(to + (i << 2), bswap<u32>(load<u32>(state + i * stride)))
}

const lastState: usize = memory.data(32)

/** Hashes the rest of a lane's message, if there is one, by itself. */
function finishAlone(k: u32): i32 {
  const message = load<i32>(messages + (k << 2))
  if (message == IDLE) return -1
  for (let i: usize = 0; i < 5; i++) store<u32>(lastState + (i << 2), load<u32>(states + (i << 5) + (k << 2)))
  const bad = oneMessage(lastState, load<u32>(places + (k << 2)), load<u32>(lefts + (k << 2)), message)
  writeDigest(message, lastState, 4)
  return bad
}

/** The state that a message begins with, five words at `state`. */
export function sha1Begin(state: usize): void {
  store<u32>(state, 0x67452301)
  store<u32>(state, 0xefcdab89, 4)
  store<u32>(state, 0x98badcfe, 8)
  store<u32>(state, 0x10325476, 12)
  store<u32>(state, 0xc3d2e1f0, 16)
}

/** Goes on with one message over whole blocks. True when one of them carries an attack. */
export function sha1Blocks(state: usize, blocks: usize, count: u32): bool {
  recentClear()
  return oneMessage(state, blocks, count, 0) >= 0 || settle() >= 0
}

/** Goes on with one message. Its blocks are expanded side by side, and each takes a lane of the slot. */
function oneMessage(state: usize, blocks: usize, count: u32, message: i32): i32 {
  let at = blocks
  let left = count
  while (left) {
    const group = min<u32>(left, LANES)
    const last = at + ((group - 1) << 6)
    const slot = nextSlot()
    const words = nextWords()
    expandFour(words, at, min<usize>(at + 64, last), min<usize>(at + 128, last), min<usize>(at + 192, last))
    if (group > 4) {
      expandFour(words + 16, at + 256, min<usize>(at + 320, last), min<usize>(at + 384, last), last)
    }
    for (let k: u32 = 0; k < LANES; k++) {
      const lane = k << 2
      store<u32>(slot + lane, <u32>(at + (k << 6)), POINTERS)
      store<i32>(slot + lane, k < group ? message : IDLE, MESSAGES)
      if (k < group) compressOne(state, words + lane, slot + lane)
    }
    const bad = slotFilled()
    if (bad >= 0) return bad
    at += group << 6
    left -= group
  }
  return -1
}
