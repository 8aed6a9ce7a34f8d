// Writes the test of the collision conditions (sha1-conditions.ts), 128 blocks at a time. A condition compares two bits of a block's words.
// First those bits are collected, 16 blocks at a time: vector after vector is narrowed to the byte that the bit is in, and its bits taken
// out of the bytes. Then one row holds the same bit of all 128 blocks, and a condition costs two instructions for all of them.
import { type Condition, conditions, vectors } from '../sha1-conditions.ts'
import { END, LATE, MESSAGES, POINTERS, SLOT_BYTES, SLOTS, Step, WORDS_BYTES } from './sha1-layout.ts'

interface Bit {
  readonly word: number
  readonly bit: number
}

function bitsOf({ word1, bit1, word2, bit2 }: Condition): [Bit, Bit] {
  return [
    { word: word1, bit: bit1 },
    { word: word2, bit: bit2 },
  ]
}

function nameOf({ word, bit }: Bit): string {
  return `${word}.${bit}`
}

function byteOf({ word, bit }: Bit): string {
  return `${word}, byte ${bit >> 3}`
}

/** Processor cycles that a block costs when these conditions are tried: for its bits, for the bytes they are in, for becoming suspect. Measured, roughly. */
function cost(some: readonly Condition[]): number {
  const bits = new Set(some.flatMap(bitsOf).map(nameOf)).size
  const bytes = new Set(some.flatMap(bitsOf).map(byteOf)).size
  const suspects = vectors.reduce((sum, _, v) => sum + 2 ** -some.filter((c) => (c.vectors >>> v) & 1).length, 0)
  return (bits * 1.5 + bytes * 2.7) / 16 + suspects * 200
}

/** The conditions without those whose bits cost more than the suspects cost that they would rule out. All are necessary, none is needed. */
function worthTrying(): readonly Condition[] {
  let kept = conditions
  for (;;) {
    const names = new Set(kept.flatMap(bitsOf).flatMap((bit) => [nameOf(bit), byteOf(bit)]))
    const fewer = [...names].map((name) => kept.filter((c) => bitsOf(c).every((bit) => nameOf(bit) !== name && byteOf(bit) !== name)))
    const best = fewer.reduce((x, y) => (cost(y) < cost(x) ? y : x))
    if (cost(best) >= cost(kept)) return kept
    kept = best
  }
}

const tried = worthTrying()
/** Every bit that they look at, each once. */
const bits: readonly Bit[] = [...new Map(tried.flatMap(bitsOf).map((bit) => [nameOf(bit), bit])).values()]
const rowOf = new Map(bits.map((bit, row) => [nameOf(bit), row]))

/** The lowest byte of each of 16 words, or the highest. */
function narrowed(word: number, isHigh: boolean): string {
  const part = (words: string, half: number) => {
    const whole = `v128.load(${words}, ${word * 32 + half * 16})`
    return isHigh ? `i32x4.shr_u(${whole}, 24)` : `v128.and(${whole}, low)`
  }
  const pair = (words: string) => `i16x8.narrow_i32x4_u(${part(words, 0)}, ${part(words, 1)})`
  return `i8x16.narrow_i16x8_u(${pair('one')}, ${pair('two')})`
}

function collect(): string {
  let out = `const rows: usize = memory.data(${bits.length * 16}, 16)

/** Takes the bits that conditions look at from the words of slots 2·pair and 2·pair + 1. */
export function collectBits(one: usize, two: usize, pair: usize): void {
  const low = i32x4.splat(255)
  const at = rows + (pair << 1)
  let t: v128
`
  for (const word of new Set(bits.map((bit) => bit.word))) {
    for (const isHigh of [false, true]) {
      const some = bits.filter((bit) => bit.word === word && bit.bit >= 24 === isHigh)
      if (some.length === 0) continue
      out += `  t = ${narrowed(word, isHigh)}\n`
      for (const bit of some) {
        const up = 7 - (bit.bit & 7)
        // Shifted as 16-bit lanes: what comes from the byte below doesn't reach the highest bit.
        out += `  store<u16>(at, <u16>i8x16.bitmask(${up === 0 ? 't' : `i16x8.shl(t, ${up})`}), ${rowOf.get(nameOf(bit))! * 16})\n`
      }
    }
  }
  return `${out}}\n\n`
}

function test(): string {
  let out = `const differences16: usize = memory.data(${tried.length * 16}, 16)
/** For each vector: bit i is set when block i meets all its conditions that are tried. */
export const allowed: usize = memory.data(${vectors.length * 16}, 16)

/** Tries the conditions; \`valid\` says which bits stand for blocks. False when no block follows any vector. */
export function testConditions(valid: v128): bool {
`
  tried.forEach((condition, i) => {
    const [one, two] = bitsOf(condition).map((bit) => `v128.load(rows, ${rowOf.get(nameOf(bit))! * 16})`)
    out += `  v128.store(differences16, v128.xor(${one}, ${two}), ${i * 16})\n`
  })
  out += '  let any = i32x4.splat(0)\n  let t: v128\n'
  vectors.forEach((_, v) => {
    out += '  t = valid\n'
    tried.forEach((condition, i) => {
      if (((condition.vectors >>> v) & 1) === 0) return
      out += `  t = v128.${condition.equal ? 'andnot' : 'and'}(t, v128.load(differences16, ${i * 16}))\n`
    })
    out += `  v128.store(allowed, t, ${v * 16})\n  any = v128.or(any, t)\n`
  })
  return `${out}  return v128.any_true(any)\n}\n\n`
}

function swapped(x: number): number {
  return ((x << 24) | ((x & 0xff00) << 8) | ((x >>> 8) & 0xff00) | (x >>> 24)) >>> 0
}

export function conditionsSource(): string {
  const early = vectors.reduce((set, v, i) => (v.step === Step.early ? (set | (1 << i)) >>> 0 : set), 0)
  return `${collect()}${test()}/** The first 16 message differences of each vector, as they stand in a block: the highest byte first. */
export const differences: usize = memory.data<u32>([${vectors.flatMap((v) => [...v.differences.subarray(0, 16)].map(swapped)).join(', ')}])
/** Bit i: vector i is checked from step ${Step.early}, otherwise from step ${Step.late}. */
export const EARLY_STEP: u32 = ${early}
export const VECTORS: u32 = ${vectors.length}
export const LATE: usize = ${LATE}
export const END: usize = ${END}
export const POINTERS: usize = ${POINTERS}
export const MESSAGES: usize = ${MESSAGES}
export const SLOT_BYTES: usize = ${SLOT_BYTES}
export const SLOTS: u32 = ${SLOTS}
export const WORDS_BYTES: usize = ${WORDS_BYTES}
`
}
