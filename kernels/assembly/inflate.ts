// zlib streams (RFC 1950, RFC 1951), at once or in pieces. One loop for both: it keeps the next 56 or more bits in a register, looks codes
// up in tables (huffman.ts), and stops at the end, at an error, or when input or room for output is nearly used up.
// Room: reads up to 16 bytes behind the input and writes up to 320 behind the output; neither counts.
// Exactness: a result is decided by the stream's own bits only. What was read behind the input's end is noticed by counting the bits used.

import { BAD, buildTable, COMPLETE, END, EXCEPTION, LITERAL, OR_NONE, OR_SINGLE, SUBTABLE } from './huffman'
import { adler32 } from './adler32'

export const OK: i32 = 0
/** The stream goes on behind the input's end. */
export const NEED_INPUT: i32 = 1
/** Streaming only: the output is full to its soft end; call again with new room. */
export const NEED_ROOM: i32 = 2
/** No zlib stream. */
export const BAD_DATA: i32 = 3
/** More bytes come out than were declared. */
export const TOO_LONG: i32 = 4
/** Fewer bytes come out than were declared. */
export const TOO_SHORT: i32 = 5
export const BAD_CHECKSUM: i32 = 6

const LITERAL_BITS: u32 = 11
const DISTANCE_BITS: u32 = 8
const LENGTH_BITS: u32 = 7
/** A block header with its code lengths never takes more; streaming begins one only when that much is there. */
const HEADER_ROOM: usize = 1024

const literalTable: usize = memory.data(9600)
const distanceTable: usize = memory.data(1680)
const lengthTable: usize = memory.data(512)
const fixedLiterals: usize = memory.data(9600)
const fixedDistances: usize = memory.data(1680)
const lengths: usize = memory.data(512)
const literalResults: usize = memory.data(1152)
const distanceResults: usize = memory.data(128)
const lengthResults: usize = memory.data(128)

const lengthOrder: usize = memory.data<u8>([16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15])
const lengthBase: usize = memory.data<u16>([3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258])
const lengthExtra: usize = memory.data<u8>([0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0])
const distanceBase: usize = memory.data<u16>([
  1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577,
])
const distanceExtra: usize = memory.data<u8>([0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13])

/** Where the caller's next input and output stand after a call. */
export let inflateIn: usize = 0
export let inflateOut: usize = 0

// A stream that is being inflated in pieces.
const IN_HEADER: u32 = 0
const IN_BLOCK_HEADER: u32 = 1
const IN_STORED: u32 = 2
const IN_CODES: u32 = 3
const IN_TRAILER: u32 = 4
let state: u32 = IN_HEADER
let bits: u64 = 0
let bitCount: u32 = 0
let isLast: bool = false
let storedLeft: u32 = 0
let literals: usize = 0
let distances: usize = 0
/** The bytes behind a stream's start that distances may reach back to; capped, as only 32 KiB count. */
let history: usize = 0

export function inflateSetup(): void {
  for (let i: u32 = 0; i < 256; i++) store<u32>(literalResults + (i << 2), LITERAL | (i << 16))
  store<u32>(literalResults + (256 << 2), EXCEPTION | END)
  for (let i: u32 = 0; i < 29; i++) {
    store<u32>(literalResults + ((257 + i) << 2), (<u32>load<u16>(lengthBase + (i << 1)) << 16) | load<u8>(lengthExtra + i))
  }
  // Symbols 286, 287 and distances 30, 31 have codes in the fixed tables but never occur.
  for (let i: u32 = 286; i < 288; i++) store<u32>(literalResults + (i << 2), EXCEPTION | BAD)
  for (let i: u32 = 0; i < 30; i++) {
    store<u32>(distanceResults + (i << 2), (<u32>load<u16>(distanceBase + (i << 1)) << 16) | load<u8>(distanceExtra + i))
  }
  for (let i: u32 = 30; i < 32; i++) store<u32>(distanceResults + (i << 2), EXCEPTION | BAD)
  for (let i: u32 = 0; i < 19; i++) store<u32>(lengthResults + (i << 2), i << 16)
  memory.fill(lengths, 8, 144)
  memory.fill(lengths + 144, 9, 112)
  memory.fill(lengths + 256, 7, 24)
  memory.fill(lengths + 280, 8, 8)
  buildTable(fixedLiterals, lengths, 288, literalResults, LITERAL_BITS, COMPLETE)
  memory.fill(lengths, 5, 32)
  buildTable(fixedDistances, lengths, 32, distanceResults, DISTANCE_BITS, COMPLETE)
}

/** Inflates the whole stream at `src` into `size` bytes at `dst`, checksum included. inflateIn is then the byte behind the stream. */
export function inflate(src: usize, srcEnd: usize, dst: usize, size: usize): i32 {
  inflateBegin()
  let status = run(src, srcEnd, true, dst, dst + size + 1, dst + size)
  if (status != OK) return status == NEED_ROOM ? TOO_LONG : status
  if (inflateOut != dst + size) return TOO_SHORT
  return adler32(1, dst, size) == bswap<u32>(load<u32>(inflateIn - 4)) ? OK : BAD_CHECKSUM
}

/** A new stream, for inflateMore. */
export function inflateBegin(): void {
  state = IN_HEADER
  bits = 0
  bitCount = 0
  isLast = false
  history = 0
}

/**
 * Goes on with a stream: input src…srcEnd (all there is, if isFinal), output to dst. Stops with NEED_ROOM soon after softEnd (up to 64 KiB
 * later in a stored block, never behind hardEnd), with TOO_LONG when a byte would go behind hardEnd. The 32 KiB before dst must be the stream's last output.
 * Until isFinal, up to 1 KiB of input may be left over for the next call. The checksum is read (the four bytes before inflateIn) but not compared.
 */
export function inflateMore(src: usize, srcEnd: usize, isFinal: bool, dst: usize, softEnd: usize, hardEnd: usize): i32 {
  const status = run(src, srcEnd, isFinal, dst, softEnd, hardEnd)
  // Whole bytes that were only read ahead go back, so that inflateIn is exact between pieces.
  inflateIn -= bitCount >> 3
  bitCount &= 7
  bits &= (<u64>1 << bitCount) - 1
  return status
}

function run(src: usize, srcEnd: usize, isFinal: bool, dst: usize, softEnd: usize, hardEnd: usize): i32 {
  inflateIn = src
  inflateOut = dst
  let status: i32 = OK
  while (true) {
    if (isFinal && inflateIn > srcEnd + 8) status = NEED_INPUT
    else if (state == IN_STORED) status = stored(srcEnd, softEnd, hardEnd)
    else if (state == IN_CODES) status = codes(srcEnd, isFinal, dst, softEnd, hardEnd)
    else if (!isFinal && srcEnd - inflateIn < HEADER_ROOM) status = NEED_INPUT
    else if (state == IN_HEADER) status = streamHeader()
    else if (state == IN_BLOCK_HEADER) status = blockHeader()
    else {
      dropBits()
      inflateIn += 4
      if (inflateIn > srcEnd) status = NEED_INPUT
      break
    }
    if (status != OK) break
  }
  // The bits that were used decide whether a verdict rests on bytes that aren't there yet.
  if (status == BAD_DATA && isFinal && inflateIn - (<usize>bitCount >> 3) > srcEnd) status = NEED_INPUT
  history = min<usize>(history + (inflateOut - dst), 32768)
  return status
}

@inline
function refill(): void {
  bits |= load<u64>(inflateIn) << bitCount
  inflateIn += (63 - bitCount) >> 3
  bitCount |= 56
}

@inline
function drop(count: u32): void {
  bits >>= count
  bitCount -= count
}

/** Back to the byte behind the last bit used. */
function dropBits(): void {
  inflateIn -= bitCount >> 3
  bits = 0
  bitCount = 0
}

function streamHeader(): i32 {
  const method = <u32>load<u8>(inflateIn)
  const flags = <u32>load<u8>(inflateIn, 1)
  inflateIn += 2
  state = IN_BLOCK_HEADER
  return (method & 15) != 8 || method >> 4 > 7 || ((method << 8) | flags) % 31 != 0 || (flags & 32) != 0 ? BAD_DATA : OK
}

function blockHeader(): i32 {
  if (isLast) {
    state = IN_TRAILER
    return OK
  }
  refill()
  isLast = (bits & 1) != 0
  const type = (<u32>bits >> 1) & 3
  drop(3)
  if (type == 0) {
    dropBits()
    storedLeft = load<u16>(inflateIn)
    const check = <u32>load<u16>(inflateIn, 2)
    inflateIn += 4
    state = IN_STORED
    return (storedLeft ^ check) == 0xffff ? OK : BAD_DATA
  }
  if (type == 3) return BAD_DATA
  state = IN_CODES
  if (type == 1) {
    literals = fixedLiterals
    distances = fixedDistances
    return OK
  }
  literals = literalTable
  distances = distanceTable
  return dynamicTables() ? OK : BAD_DATA
}

function dynamicTables(): bool {
  const literalCount: u32 = 257 + (<u32>bits & 31)
  const distanceCount: u32 = 1 + ((<u32>bits >> 5) & 31)
  const lengthCount: u32 = 4 + ((<u32>bits >> 10) & 15)
  drop(14)
  if (literalCount > 286 || distanceCount > 30) return false
  memory.fill(lengths, 0, 19)
  for (let i: u32 = 0; i < lengthCount; i++) {
    if (bitCount < 3) refill()
    store<u8>(lengths + <usize>load<u8>(lengthOrder + i), <u8>(bits & 7))
    drop(3)
  }
  if (!buildTable(lengthTable, lengths, 19, lengthResults, LENGTH_BITS, COMPLETE)) return false
  const total = literalCount + distanceCount
  let i: u32 = 0
  while (i < total) {
    if (bitCount < 14) refill()
    const entry = load<u32>(lengthTable + ((<usize>bits & 127) << 2))
    if (entry & EXCEPTION) return false
    const symbol = entry >> 16
    drop(entry & 0xff)
    if (symbol < 16) {
      store<u8>(lengths + i, <u8>symbol)
      i++
      continue
    }
    let repeat: u32
    let value: u8 = 0
    if (symbol == 16) {
      if (i == 0) return false
      repeat = 3 + (<u32>bits & 3)
      drop(2)
      value = load<u8>(lengths + i - 1)
    } else if (symbol == 17) {
      repeat = 3 + (<u32>bits & 7)
      drop(3)
    } else {
      repeat = 11 + (<u32>bits & 127)
      drop(7)
    }
    if (i + repeat > total) return false
    memory.fill(lengths + i, value, repeat)
    i += repeat
  }
  if (load<u8>(lengths + 256) == 0) return false
  return (
    buildTable(distanceTable, lengths + literalCount, distanceCount, distanceResults, DISTANCE_BITS, OR_NONE) &&
    buildTable(literalTable, lengths, literalCount, literalResults, LITERAL_BITS, OR_SINGLE)
  )
}

function stored(srcEnd: usize, softEnd: usize, hardEnd: usize): i32 {
  if (inflateIn > srcEnd) return NEED_INPUT
  if (storedLeft == 0) {
    state = IN_BLOCK_HEADER
    return OK
  }
  if (inflateOut >= softEnd) return NEED_ROOM
  const room = hardEnd - inflateOut
  if (room == 0) return TOO_LONG
  const count = min<usize>(min<usize>(storedLeft, srcEnd - inflateIn), room)
  memory.copy(inflateOut, inflateIn, count)
  inflateIn += count
  inflateOut += count
  storedLeft -= <u32>count
  return storedLeft == 0 ? OK : count == room ? TOO_LONG : NEED_INPUT
}

@inline
function copyMatch(at: usize, distance: usize, length: usize): void {
  const end = at + length
  let from = at - distance
  let to = at
  if (distance >= 16) {
    v128.store(to, v128.load(from))
    if (length > 16) {
      do {
        from += 16
        to += 16
        v128.store(to, v128.load(from))
      } while (to + 16 < end)
    }
  } else if (distance >= 8) {
    do {
      store<u64>(to, load<u64>(from))
      from += 8
      to += 8
    } while (to < end)
  } else if (distance == 1) {
    const value = i8x16.splat(load<i8>(from))
    do {
      v128.store(to, value)
      to += 16
    } while (to < end)
  } else {
    do {
      store<u8>(to, load<u8>(from))
      from++
      to++
    } while (to < end)
  }
}

/** Literals and matches up to the end of the block. The hot loop: everything in locals, written back on the way out. */
function codes(srcEnd: usize, isFinal: bool, start: usize, softEnd: usize, hardEnd: usize): i32 {
  // Behind this the input has ended (the register runs up to 8 bytes ahead), or, in pieces, may end soon.
  const inLimit = isFinal ? srcEnd + 8 : srcEnd - HEADER_ROOM
  const outLimit = min<usize>(softEnd, hardEnd + 1)
  const lowest = start - history
  const literalMask: u32 = (1 << LITERAL_BITS) - 1
  const distanceMask: u32 = (1 << DISTANCE_BITS) - 1
  const lt = literals
  const dt = distances
  let from = inflateIn
  let to = inflateOut
  let bb = bits
  let left = bitCount
  let status: i32 = OK
  while (true) {
    if (from > inLimit) {
      status = NEED_INPUT
      break
    }
    if (to >= outLimit) {
      status = to > hardEnd ? TOO_LONG : NEED_ROOM
      break
    }
    bb |= load<u64>(from) << left
    from += (63 - left) >> 3
    left |= 56
    let entry = load<u32>(lt + ((<usize>bb & literalMask) << 2))
    if (entry & LITERAL) {
      bb >>= entry & 63
      left -= entry & 0xff
      store<u8>(to, <u8>(entry >> 16))
      to++
      entry = load<u32>(lt + ((<usize>bb & literalMask) << 2))
      if (entry & LITERAL) {
        bb >>= entry & 63
        left -= entry & 0xff
        store<u8>(to, <u8>(entry >> 16))
        to++
        entry = load<u32>(lt + ((<usize>bb & literalMask) << 2))
        if (entry & LITERAL) {
          bb >>= entry & 63
          left -= entry & 0xff
          store<u8>(to, <u8>(entry >> 16))
          to++
          continue
        }
      }
    }
    let saved = bb
    bb >>= entry & 63
    left -= entry & 0xff
    if (entry & EXCEPTION) {
      if (entry & SUBTABLE) {
        entry = load<u32>(lt + ((<usize>(entry >> 16) + (<usize>bb & ((<usize>1 << ((entry >> 8) & 15)) - 1))) << 2))
        saved = bb
        bb >>= entry & 63
        left -= entry & 0xff
        if (entry & LITERAL) {
          store<u8>(to, <u8>(entry >> 16))
          to++
          continue
        }
      }
      if (entry & EXCEPTION) {
        if (entry & END) state = IN_BLOCK_HEADER
        else status = BAD_DATA
        break
      }
    }
    const length: usize = (entry >> 16) + <u32>((saved & ((<u64>1 << (entry & 63)) - 1)) >> ((entry >> 8) & 63))
    bb |= load<u64>(from) << left
    from += (63 - left) >> 3
    left |= 56
    entry = load<u32>(dt + ((<usize>bb & distanceMask) << 2))
    if (entry & EXCEPTION && entry & SUBTABLE) {
      bb >>= DISTANCE_BITS
      left -= DISTANCE_BITS
      entry = load<u32>(dt + ((<usize>(entry >> 16) + (<usize>bb & ((<usize>1 << ((entry >> 8) & 15)) - 1))) << 2))
    }
    saved = bb
    bb >>= entry & 63
    left -= entry & 0xff
    if (entry & EXCEPTION && entry & BAD) {
      status = BAD_DATA
      break
    }
    const distance: usize = (entry >> 16) + <u32>((saved & ((<u64>1 << (entry & 63)) - 1)) >> ((entry >> 8) & 63))
    if (distance > to - lowest) {
      status = BAD_DATA
      break
    }
    if (to + length > hardEnd) {
      status = TOO_LONG
      break
    }
    copyMatch(to, distance, length)
    to += length
  }
  if (to > hardEnd) status = TOO_LONG
  inflateIn = from
  inflateOut = to
  bits = bb
  bitCount = left
  // A verdict that rests on bits behind the input's end is none.
  if (isFinal && from - (left >> 3) > srcEnd) status = NEED_INPUT
  return status
}
