// Deltas (gitformat-pack(5), "Deltified representation"): the base's size, the result's size, then instructions to copy from the base or insert.

export const DELTA_OK: i32 = 0
/** The sizes in front don't end. */
export const DELTA_HEADER: i32 = 1
/** An instruction copies from outside the base. */
export const DELTA_RANGE: i32 = 2
/** The instructions end in the middle, make too much or too little, or one is the reserved one. */
export const DELTA_FORM: i32 = 3

export let deltaBaseSize: f64 = 0
export let deltaResultSize: f64 = 0
export let deltaStart: usize = 0

let cursor: usize = 0

function readSize(end: usize): f64 {
  let size: f64 = 0
  let scale: f64 = 1
  let byte: u32 = 128
  while (byte & 128) {
    // Seven bytes are 2^49: more than any limit, and exact in a double.
    if (cursor >= end || scale > 4398046511104) return -1
    byte = load<u8>(cursor++)
    size += <f64>(byte & 127) * scale
    scale *= 128
  }
  return size
}

/** Reads the two sizes; deltaStart is then where the instructions begin. */
export function deltaHeader(at: usize, end: usize): i32 {
  cursor = at
  deltaBaseSize = readSize(end)
  if (deltaBaseSize < 0) return DELTA_HEADER
  deltaResultSize = readSize(end)
  deltaStart = cursor
  return deltaResultSize < 0 ? DELTA_HEADER : DELTA_OK
}

@inline
function copyShort(to: usize, from: usize, size: u32): void {
  // Whole vectors, past the end: room is there, and what lies behind is written later.
  if (size <= 256) {
    let i: usize = 0
    do {
      v128.store(to + i, v128.load(from + i))
      i += 16
    } while (i < size)
  } else memory.copy(to, from, size)
}

/** Makes `size` bytes at `to`. Up to 16 bytes behind them are overwritten. Nothing outside base and instructions decides the result. */
export function applyDelta(base: usize, baseSize: u32, instructions: usize, end: usize, to: usize, size: u32): i32 {
  let at = instructions
  let out = to
  const outEnd = to + size
  while (at < end) {
    const op = <u32>load<u8>(at++)
    if (op & 128) {
      let offset: u32 = 0
      let count: u32 = 0
      if (op & 1) offset = load<u8>(at++)
      if (op & 2) offset |= (<u32>load<u8>(at++)) << 8
      if (op & 4) offset |= (<u32>load<u8>(at++)) << 16
      if (op & 8) offset |= (<u32>load<u8>(at++)) << 24
      if (op & 16) count = load<u8>(at++)
      if (op & 32) count |= (<u32>load<u8>(at++)) << 8
      if (op & 64) count |= (<u32>load<u8>(at++)) << 16
      if (count == 0) count = 0x10000
      if (at > end) return DELTA_FORM
      if (offset > baseSize || count > baseSize - offset) return DELTA_RANGE
      if (count > <u32>(outEnd - out)) return DELTA_FORM
      copyShort(out, base + offset, count)
      out += count
    } else {
      if (op == 0 || op > <u32>(end - at) || op > <u32>(outEnd - out)) return DELTA_FORM
      copyShort(out, at, op)
      out += op
      at += op
    }
  }
  return out == outEnd ? DELTA_OK : DELTA_FORM
}
