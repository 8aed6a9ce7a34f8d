// Writes one block of a deflate stream (RFC 1951 §3.2.3–3.2.7): stored, or under fixed or its own codes, whichever is shortest.
// A block's content is a list of sequences (u64 each): literals in bits 0–15, then a match: its length in bits 16–31, its distance in
// bits 32–47, its distance's symbol from bit 48 on. The last has no match (length 0).

import { buildCode, codesOf } from './huffman-code'

const END_OF_BLOCK: u32 = 256
const LITERALS: u32 = 286
const DISTANCES: u32 = 30
/** Four literals, or a length with its distance, fit the register behind the up to 7 bits that are left over in it. */
const LONGEST_LITERAL: u32 = 14
const LONGEST_DISTANCE: u32 = 15
const LONGEST_LENGTH_CODE: u32 = 7

export const literalCounts: usize = memory.data(1152)
export const distanceCounts: usize = memory.data(128)
const literalCodes: usize = memory.data(1152)
const distanceCodes: usize = memory.data(128)
const fixedLiterals: usize = memory.data(1152)
const fixedDistances: usize = memory.data(128)
const fixedLengths: usize = memory.data(320)
/** A match's length to its symbol's offset from 257, and to its code with its extra bits. */
export const lengthSymbols: usize = memory.data(260)
const lengthCodes: usize = memory.data(1056)

const lengths: usize = memory.data(320) // literals' and, right behind the last that is sent, distances'
const runs: usize = memory.data(640) // of code lengths: symbol in the low byte, its extra bits in the high byte
const runCounts: usize = memory.data(128)
const runLengths: usize = memory.data(32)
const runCodes: usize = memory.data(128)

const lengthOrder: usize = memory.data<u8>([16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15])
const lengthBase: usize = memory.data<u16>([3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258])
const lengthExtra: usize = memory.data<u8>([0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0])

/** Where the next byte goes, and the bits (fewer than 8) that no byte was written for yet. */
export let deflateOut: usize = 0
let bits: u64 = 0
let bitCount: u32 = 0

export function deflateBlockSetup(): void {
  for (let symbol: u32 = 0; symbol < 29; symbol++) {
    const base = <u32>load<u16>(lengthBase + (symbol << 1))
    const count: u32 = 1 << load<u8>(lengthExtra + symbol)
    memory.fill(lengthSymbols + base, <u8>symbol, symbol == 27 ? count - 1 : count)
  }
  memory.fill(fixedLengths, 8, 144)
  memory.fill(fixedLengths + 144, 9, 112)
  memory.fill(fixedLengths + 256, 7, 24)
  memory.fill(fixedLengths + 280, 8, 8)
  codesOf(fixedLengths, 288, fixedLiterals)
  memory.fill(fixedLengths + 288, 5, 32)
  codesOf(fixedLengths + 288, 32, fixedDistances)
}

export function beginStream(at: usize): void {
  // deflate with a window of 32 KiB, made by the fastest of methods
  store<u16>(at, 0x0178)
  deflateOut = at + 2
  bits = 0
  bitCount = 0
}

@inline
function put(value: u32, count: u32): void {
  bits |= <u64>value << bitCount
  bitCount += count
  store<u64>(deflateOut, bits)
  deflateOut += bitCount >> 3
  bits >>= bitCount & 56
  bitCount &= 7
}

/** The bytes at `src`, `size` of them (below 65536), as `sequences` up to `sequencesEnd` and the counts have them. */
export function writeBlock(src: usize, size: u32, sequences: usize, sequencesEnd: usize, isLast: bool): void {
  store<u32>(literalCounts + (END_OF_BLOCK << 2), 1)
  buildCode(literalCounts, LITERALS, LONGEST_LITERAL, lengths, literalCodes)
  let literals = LITERALS
  while (literals > 257 && load<u8>(lengths + literals - 1) == 0) literals--
  buildCode(distanceCounts, DISTANCES, LONGEST_DISTANCE, lengths + literals, distanceCodes)
  let distances = DISTANCES
  while (distances > 1 && load<u8>(lengths + literals + distances - 1) == 0) distances--
  const runsEnd = runLength(literals + distances)
  buildCode(runCounts, 19, LONGEST_LENGTH_CODE, runLengths, runCodes)
  let ordered: u32 = 19
  while (ordered > 4 && load<u8>(runLengths + <usize>load<u8>(lengthOrder + ordered - 1)) == 0) ordered--

  const extra = extraBits()
  const own: u32 = 14 + ordered * 3 + codedBits(runCounts, 19, runCodes) + runExtraBits() + contentBits(literalCodes, distanceCodes) + extra
  const fixed = contentBits(fixedLiterals, fixedDistances) + extra
  if ((size + 4) << 3 <= min(own, fixed)) return stored(src, size, isLast)
  if (fixed <= own) {
    put(u32(isLast) | 2, 3)
    return content(src, sequences, sequencesEnd, fixedLiterals, fixedDistances)
  }
  put(u32(isLast) | 4 | ((literals - 257) << 3) | ((distances - 1) << 8) | ((ordered - 4) << 13), 17)
  for (let i: u32 = 0; i < ordered; i++) put(load<u8>(runLengths + <usize>load<u8>(lengthOrder + i)), 3)
  for (let run = runs; run < runsEnd; run += 2) {
    const symbol = <u32>load<u8>(run)
    const code = load<u32>(runCodes + (symbol << 2))
    put(code & 0xffffff, code >> 24)
    if (symbol >= 16) put(load<u8>(run, 1), runExtra(symbol))
  }
  content(src, sequences, sequencesEnd, literalCodes, distanceCodes)
}

/** What is left of the last byte, and the checksum behind it. */
export function endStream(checksum: u32): void {
  if (bitCount) put(0, 8 - bitCount)
  store<u32>(deflateOut, bswap<u32>(checksum))
  deflateOut += 4
}

function stored(src: usize, size: u32, isLast: bool): void {
  put(u32(isLast), 3)
  if (bitCount) put(0, 8 - bitCount)
  store<u32>(deflateOut, size | ((size ^ 0xffff) << 16))
  memory.copy(deflateOut + 4, src, size)
  deflateOut += 4 + size
}

@inline
function runExtra(symbol: u32): u32 {
  return symbol == 16 ? 2 : symbol == 17 ? 3 : 7
}

/** Writes the code lengths as runs; the end of these. */
function runLength(total: u32): usize {
  memory.fill(runCounts, 0, 76)
  let to = runs
  let i: u32 = 0
  while (i < total) {
    const value = <u32>load<u8>(lengths + i)
    let end = i + 1
    while (end < total && load<u8>(lengths + end) == value) end++
    let count = end - i
    i = end
    if (value == 0) {
      while (count >= 3) {
        const part = min<u32>(count, 138)
        to = part < 11 ? addRun(to, 17, part - 3) : addRun(to, 18, part - 11)
        count -= part
      }
    } else if (count > 3) {
      to = addRun(to, value, 0)
      count--
      while (count >= 3) {
        const part = min<u32>(count, 6)
        to = addRun(to, 16, part - 3)
        count -= part
      }
    }
    for (; count > 0; count--) to = addRun(to, value, 0)
  }
  return to
}

@inline
function addRun(to: usize, symbol: u32, extra: u32): usize {
  store<u16>(to, <u16>(symbol | (extra << 8)))
  const count = runCounts + (symbol << 2)
  store<u32>(count, load<u32>(count) + 1)
  return to + 2
}

function runExtraBits(): u32 {
  return load<u32>(runCounts, 64) * 2 + load<u32>(runCounts, 68) * 3 + load<u32>(runCounts, 72) * 7
}

function codedBits(frequencies: usize, symbols: u32, codes: usize): u32 {
  let sum: u32 = 0
  for (let at: usize = 0; at < symbols << 2; at += 4) sum += load<u32>(frequencies + at) * (load<u32>(codes + at) >> 24)
  return sum
}

function contentBits(literals: usize, distances: usize): u32 {
  return codedBits(literalCounts, LITERALS, literals) + codedBits(distanceCounts, DISTANCES, distances)
}

function extraBits(): u32 {
  let sum: u32 = 0
  for (let i: u32 = 0; i < 29; i++) sum += load<u32>(literalCounts + ((257 + i) << 2)) * load<u8>(lengthExtra + i)
  for (let i: u32 = 4; i < DISTANCES; i++) sum += load<u32>(distanceCounts + (i << 2)) * ((i >> 1) - 1)
  return sum
}

/** Each length that a match may have: its code and its extra bits in one. */
function codeLengths(literals: usize): void {
  for (let symbol: u32 = 0; symbol < 29; symbol++) {
    const code = load<u32>(literals + ((257 + symbol) << 2))
    const extra = <u32>load<u8>(lengthExtra + symbol)
    const base = <u32>load<u16>(lengthBase + (symbol << 1))
    const bitsOfCode = code >> 24
    const whole = (code & 0xffffff) | ((bitsOfCode + extra) << 24)
    // 258 has a symbol of its own, and overwrites what the one before it has for it
    for (let i: u32 = 0; i < <u32>1 << extra; i++) store<u32>(lengthCodes + ((base + i) << 2), whole | (i << bitsOfCode))
  }
}

/** The hot loop: everything in locals. */
function content(src: usize, sequences: usize, sequencesEnd: usize, literals: usize, distances: usize): void {
  codeLengths(literals)
  let to = deflateOut
  let bb = bits
  let count = bitCount
  let from = src
  for (let at = sequences; at < sequencesEnd; at += 8) {
    const sequence = load<u64>(at)
    const end = from + <usize>(sequence & 0xffff)
    while (from + 4 <= end) {
      const four = load<u32>(from)
      from += 4
      const a = load<u32>(literals + ((four & 255) << 2))
      bb |= <u64>(a & 0xffffff) << count
      count += a >> 24
      const b = load<u32>(literals + (((four >> 8) & 255) << 2))
      bb |= <u64>(b & 0xffffff) << count
      count += b >> 24
      const c = load<u32>(literals + (((four >> 16) & 255) << 2))
      bb |= <u64>(c & 0xffffff) << count
      count += c >> 24
      const d = load<u32>(literals + ((four >> 24) << 2))
      bb |= <u64>(d & 0xffffff) << count
      count += d >> 24
      store<u64>(to, bb)
      to += count >> 3
      bb >>= count & 56
      count &= 7
    }
    while (from < end) {
      const a = load<u32>(literals + (<usize>load<u8>(from) << 2))
      from++
      bb |= <u64>(a & 0xffffff) << count
      count += a >> 24
    }
    // up to three literals may be waiting
    store<u64>(to, bb)
    to += count >> 3
    bb >>= count & 56
    count &= 7
    const length = <u32>(sequence >> 16) & 0xffff
    if (length == 0) break
    from += length
    const lengthCode = load<u32>(lengthCodes + (length << 2))
    bb |= <u64>(lengthCode & 0xffffff) << count
    count += lengthCode >> 24
    const distanceSymbol = <u32>(sequence >> 48)
    const distanceCode = load<u32>(distances + (distanceSymbol << 2))
    bb |= <u64>(distanceCode & 0xffffff) << count
    count += distanceCode >> 24
    const extra: u32 = max<i32>((distanceSymbol >> 1) - 1, 0)
    bb |= <u64>((<u32>(sequence >> 32) - 1) & 0xffff & ((1 << extra) - 1)) << count
    count += extra
    store<u64>(to, bb)
    to += count >> 3
    bb >>= count & 56
    count &= 7
  }
  bits = bb
  bitCount = count
  deflateOut = to
  const end = load<u32>(literals + (END_OF_BLOCK << 2))
  put(end & 0xffffff, end >> 24)
}
