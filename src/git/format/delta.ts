// Deltas: a target object as copies out of a base and inserted bytes (gitformat-pack(5), Deltified representation).
//   base size, target size (7 bits a byte, low first, top bit = more), then instructions:
//   1ooooooo + up to 4 offset bytes + up to 3 size bytes: copy (size 0 means 65536) · 0nnnnnnn + n bytes: insert · 00000000: reserved
// Invariant: nothing is allocated before the declared sizes are checked against the base, the limit and the instructions' reach.
import { InputError } from '../../base/index.ts'

/** Sizes that a delta declares, and where its instructions begin. */
export interface DeltaHeader {
  readonly baseBytes: number
  readonly targetBytes: number
  readonly headerBytes: number
}

function badDelta(code: string, message: string): InputError {
  return new InputError(code, message)
}

/** Reads the two sizes. InputError `delta-truncated` or `delta-size` (more than 2^53). */
export function decodeDeltaHeader(delta: Uint8Array): DeltaHeader {
  const base = decodeSize(delta, 0)
  const target = decodeSize(delta, base.next)
  return { baseBytes: base.size, targetBytes: target.size, headerBytes: target.next }
}

function decodeSize(delta: Uint8Array, from: number): { size: number; next: number } {
  let size = 0
  let scale = 1
  for (let at = from; ; at++) {
    const byte = delta[at]
    if (byte === undefined) throw badDelta('delta-truncated', 'delta is truncated in its header')
    size += (byte & 0x7f) * scale
    if (size > Number.MAX_SAFE_INTEGER) throw badDelta('delta-size', 'delta declares an impossible size')
    if (byte < 0x80) return { size, next: at + 1 }
    if (at - from >= 9) throw badDelta('delta-size', 'delta declares an impossible size')
    scale *= 128
  }
}

export interface DeltaLimits {
  /** Largest target taken. Default: what one Uint8Array holds (2^32 bytes less one). */
  readonly targetBytes?: number
  /** Memory for the target, as large as is asked for; its content doesn't matter. Default: fresh. */
  readonly allocate?: (sizeBytes: number) => Uint8Array
}

/**
 * The target that the delta makes of the base.
 * InputError: `delta-base-size` (made for another base), `delta-too-large` (above the limit), `delta-truncated`,
 * `delta-opcode` (reserved 0), `delta-range` (a copy leaves the base), `delta-target-size` (makes more or less than it declares).
 */
export function applyDelta(base: Uint8Array, delta: Uint8Array, limits: DeltaLimits = {}): Uint8Array {
  const { baseBytes, targetBytes, headerBytes } = decodeDeltaHeader(delta)
  if (baseBytes !== base.length) throw badDelta('delta-base-size', `delta is for a base of ${baseBytes} bytes, not of ${base.length}`)
  const limit = Math.min(limits.targetBytes ?? 0xffff_ffff, 0xffff_ffff)
  if (targetBytes > limit) throw badDelta('delta-too-large', `delta makes an object of ${targetBytes} bytes; at most ${limit} are taken`)
  // An instruction takes at least a byte and copies no more than 16 MiB or the base: a target beyond that reach is a lie, and not worth an
  // allocation. (Real bombs are below it: the limit is what stops those.)
  if (targetBytes > (delta.length - headerBytes) * Math.min(Math.max(base.length, 1), 0xff_ffff)) throw wrongSize()
  const target = limits.allocate?.(targetBytes) ?? new Uint8Array(targetBytes)
  const made = runInstructions(base, delta, headerBytes, target)
  if (made !== targetBytes) throw wrongSize()
  return target
}

function wrongSize(): InputError {
  return badDelta('delta-target-size', 'delta replay has gone wild: it does not make what it declares')
}

function runInstructions(base: Uint8Array, delta: Uint8Array, from: number, target: Uint8Array): number {
  let at = from
  let made = 0
  while (at < delta.length) {
    const op = delta[at++] as number
    if (op >= 0x80) {
      const end = at + operandBytes(op)
      if (end > delta.length) throw badDelta('delta-truncated', 'delta is truncated in a copy instruction')
      let offset = 0
      let size = 0
      if (op & 0x01) offset = delta[at++] as number
      if (op & 0x02) offset |= (delta[at++] as number) << 8
      if (op & 0x04) offset |= (delta[at++] as number) << 16
      if (op & 0x08) offset += (delta[at++] as number) * 0x100_0000
      if (op & 0x10) size = delta[at++] as number
      if (op & 0x20) size |= (delta[at++] as number) << 8
      if (op & 0x40) size |= (delta[at++] as number) << 16
      if (size === 0) size = 0x1_0000
      if (offset + size > base.length) throw badDelta('delta-range', 'delta copies from beyond the end of its base')
      if (size > target.length - made) throw wrongSize()
      copy(base, offset, size, target, made)
      made += size
    } else {
      if (op === 0) throw badDelta('delta-opcode', 'unexpected delta opcode 0')
      if (op > delta.length - at) throw badDelta('delta-truncated', 'delta is truncated in an insert instruction')
      if (op > target.length - made) throw wrongSize()
      copy(delta, at, op, target, made)
      at += op
      made += op
    }
  }
  return made
}

function operandBytes(op: number): number {
  const bits = op & 0x7f
  return (bits & 1) + ((bits >> 1) & 1) + ((bits >> 2) & 1) + ((bits >> 3) & 1) + ((bits >> 4) & 1) + ((bits >> 5) & 1) + (bits >> 6)
}

/** A loop beats `set(subarray)` for short runs, which most are. */
function copy(source: Uint8Array, from: number, size: number, target: Uint8Array, to: number): void {
  if (size > 48) target.set(source.subarray(from, from + size), to)
  else for (let i = 0; i < size; i++) target[to + i] = source[from + i] as number
}

const BLOCK = 16
/** Blocks of one hash that are compared with at most: repeated content must not cost quadratic time. */
const MAX_CANDIDATES = 24

/** Where 16-byte blocks of a base stand, to make deltas against it. */
export interface DeltaIndex {
  readonly base: Uint8Array
  readonly heads: Int32Array
  readonly nexts: Int32Array
  readonly shift: number
}

/** Indexes a base's blocks; usable for any number of targets. */
export function indexBase(base: Uint8Array): DeltaIndex {
  const blocks = Math.floor(base.length / BLOCK)
  const bits = Math.max(4, 32 - Math.clz32(blocks))
  const index = { base, heads: new Int32Array(1 << bits).fill(-1), nexts: new Int32Array(blocks), shift: 32 - bits }
  let previous = -1
  // From the end, so that a chain begins with the earliest block.
  for (let block = blocks - 1; block >= 0; block--) {
    const hash = hashBlock(base, block * BLOCK)
    const slot = Math.imul(hash, 0x9e3779b1) >>> index.shift
    // Of a run of equal blocks the first is enough: a match is extended from it.
    if (hash === previous && index.heads[slot] === block + 1) {
      index.nexts[block] = index.nexts[block + 1] as number
    } else {
      index.nexts[block] = index.heads[slot] as number
    }
    index.heads[slot] = block
    previous = hash
  }
  return index
}

const PRIME = 0x01000193
/** PRIME^15: the weight of a window's oldest byte. */
const OLDEST = (() => {
  let power = 1
  for (let i = 1; i < BLOCK; i++) power = Math.imul(power, PRIME)
  return power
})()

/** A polynomial hash of 16 bytes, which rolls. */
function hashBlock(bytes: Uint8Array, at: number): number {
  let hash = 0
  for (let i = 0; i < BLOCK; i++) hash = (Math.imul(hash, PRIME) + (bytes[at + i] as number)) | 0
  return hash
}

/**
 * A delta that makes `target` of the base. Null when it would be larger than `maxBytes` (default: never).
 * Greedy: at each place the longest of the base's blocks with the same hash, extended both ways. Time linear in the target.
 */
export function encodeDelta(base: Uint8Array | DeltaIndex, target: Uint8Array): Uint8Array
export function encodeDelta(base: Uint8Array | DeltaIndex, target: Uint8Array, maxBytes: number): Uint8Array | null
export function encodeDelta(base: Uint8Array | DeltaIndex, target: Uint8Array, maxBytes = Number.POSITIVE_INFINITY): Uint8Array | null {
  const index = base instanceof Uint8Array ? indexBase(base) : base
  const writer = new DeltaWriter(index.base.length, target)
  let pending = 0 // start of the bytes that no instruction makes yet
  let at = 0
  let hash = target.length >= BLOCK ? hashBlock(target, 0) : 0
  while (at + BLOCK <= target.length) {
    const match = longestMatch(index, target, at, hash, pending)
    if (match === null) {
      hash = roll(hash, target, at)
      at++
      continue
    }
    writer.insert(pending, match.targetStart)
    writer.copy(match.baseStart, match.sizeBytes)
    if (writer.sizeBytes > maxBytes) return null
    pending = match.targetStart + match.sizeBytes
    at = pending
    if (at + BLOCK <= target.length) hash = hashBlock(target, at)
  }
  writer.insert(pending, target.length)
  return writer.sizeBytes > maxBytes ? null : writer.finish()
}

function roll(hash: number, bytes: Uint8Array, at: number): number {
  const left = Math.imul(bytes[at] as number, OLDEST)
  return (Math.imul((hash - left) | 0, PRIME) + (bytes[at + BLOCK] ?? 0)) | 0
}

interface Match {
  readonly baseStart: number
  readonly targetStart: number
  readonly sizeBytes: number
}

function longestMatch(index: DeltaIndex, target: Uint8Array, at: number, hash: number, floor: number): Match | null {
  const { base } = index
  let bestSize = BLOCK - 1
  let bestBase = -1
  let block = index.heads[Math.imul(hash, 0x9e3779b1) >>> index.shift] as number
  for (let tries = 0; block >= 0 && tries < MAX_CANDIDATES; tries++) {
    const start = block * BLOCK
    // A better match must at least agree where the best one so far ended.
    if (base[start + bestSize] === target[at + bestSize] || bestBase === -1) {
      const limit = Math.min(base.length - start, target.length - at)
      let size = 0
      while (size < limit && base[start + size] === target[at + size]) size++
      if (size > bestSize) {
        bestSize = size
        bestBase = start
        if (size > 4096) break
      }
    }
    block = index.nexts[block] as number
  }
  if (bestBase === -1) return null
  let back = 0
  while (at - back > floor && bestBase - back > 0 && base[bestBase - back - 1] === target[at - back - 1]) back++
  return { baseStart: bestBase - back, targetStart: at - back, sizeBytes: bestSize + back }
}

/** Writes instructions into a growing array. */
class DeltaWriter {
  readonly #target: Uint8Array
  #bytes: Uint8Array
  sizeBytes = 0

  constructor(baseBytes: number, target: Uint8Array) {
    this.#target = target
    this.#bytes = new Uint8Array(64)
    this.#size(baseBytes)
    this.#size(target.length)
  }

  #size(value: number): void {
    let rest = value
    for (; rest >= 0x80; rest = Math.floor(rest / 128)) this.#bytes[this.sizeBytes++] = (rest % 128) | 0x80
    this.#bytes[this.sizeBytes++] = rest
  }

  insert(start: number, end: number): void {
    for (let at = start; at < end; at += 127) {
      const size = Math.min(127, end - at)
      this.#reserve(size + 1)
      this.#bytes[this.sizeBytes++] = size
      this.#bytes.set(this.#target.subarray(at, at + size), this.sizeBytes)
      this.sizeBytes += size
    }
  }

  /** Copies of at most 64 KiB each, as git writes them: pack versions before 3 know no larger ones. */
  copy(start: number, sizeBytes: number): void {
    for (let done = 0; done < sizeBytes; ) {
      const size = Math.min(0x1_0000, sizeBytes - done)
      this.#copyOne(start + done, size)
      done += size
    }
  }

  #copyOne(offset: number, size: number): void {
    this.#reserve(8)
    const opAt = this.sizeBytes++
    let op = 0x80
    for (let i = 0, rest = offset; i < 4; i++, rest = Math.floor(rest / 256)) {
      if (rest % 256 === 0) continue
      op |= 1 << i
      this.#bytes[this.sizeBytes++] = rest % 256
    }
    const written = size === 0x1_0000 ? 0 : size
    for (let i = 0; i < 2; i++) {
      const byte = (written >> (8 * i)) & 0xff
      if (byte === 0) continue
      op |= 0x10 << i
      this.#bytes[this.sizeBytes++] = byte
    }
    this.#bytes[opAt] = op
  }

  #reserve(more: number): void {
    if (this.sizeBytes + more <= this.#bytes.length) return
    const larger = new Uint8Array(Math.max(this.#bytes.length * 2, this.sizeBytes + more))
    larger.set(this.#bytes.subarray(0, this.sizeBytes))
    this.#bytes = larger
  }

  finish(): Uint8Array {
    return this.#bytes.slice(0, this.sizeBytes)
  }
}
