// Writes the SHA-1 kernels' straight-line code (RFC 3174 §6, unrolled): as loops, the compiler would keep the state in memory.
// Output is AssemblyScript; kernels/build.ts puts it in build/generated/.
import { type Condition, conditions, vectors } from '../sha1-conditions.ts'

const xor = (a: string, b: string) => `v128.xor(${a}, ${b})`
const add = (a: string, b: string) => `i32x4.add(${a}, ${b})`
const rotate = (x: string, n: number) => `v128.or(${n === 1 ? add(x, x) : `i32x4.shl(${x}, ${n})`}, i32x4.shr_u(${x}, ${32 - n}))`

/** The first and last expanded words that conditions look at. */
const FIRST_WORD = Math.min(...conditions.flatMap((c) => [c.word1, c.word2]))
const LAST_WORD = Math.max(...conditions.flatMap((c) => [c.word1, c.word2]))

/** The steps at which states are kept for the collision check, and where: five vectors each. */
const MIDDLE_STEPS = [58, 65]

/** The statement, with its place for \`@\`, if the state before this step is kept. */
function middles(step: number, statement: string): string {
  const index = MIDDLE_STEPS.indexOf(step)
  return index < 0 ? '' : `  ${statement.replace('@', String(index * 80))}\n`
}

function transposedLoads(): string {
  let out = ''
  for (let g = 0; g < 4; g++) {
    for (let lane = 0; lane < 4; lane++) out += `  t${lane} = v128.load(p${lane}, ${g * 16})\n`
    out += `  u0 = i32x4.shuffle(t0, t1, 0, 4, 1, 5)\n  u1 = i32x4.shuffle(t0, t1, 2, 6, 3, 7)\n`
    out += `  u2 = i32x4.shuffle(t2, t3, 0, 4, 1, 5)\n  u3 = i32x4.shuffle(t2, t3, 2, 6, 3, 7)\n`
    out += `  t0 = i64x2.shuffle(u0, u2, 0, 2)\n  t1 = i64x2.shuffle(u0, u2, 1, 3)\n`
    out += `  t2 = i64x2.shuffle(u1, u3, 0, 2)\n  t3 = i64x2.shuffle(u1, u3, 1, 3)\n`
    for (let j = 0; j < 4; j++)
      out += `  let w${g * 4 + j} = i8x16.shuffle(t${j}, t${j}, 3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12)\n`
  }
  return out
}

function expand(t: number): string {
  const w = (back: number) => `w${(t - back) & 15}`
  return `  ${w(16)} = ${xor(xor(w(3), w(8)), xor(w(14), w(16)))}\n  ${w(16)} = ${rotate(w(16), 1)}\n`
}

/** Four messages side by side, one in each lane. Leaves the words that conditions look at in `words`. */
function fourLanes(): string {
  let out = `/** One block of each of four messages; \`state\` holds five vectors of four lanes. */
export function compressFour(state: usize, p0: usize, p1: usize, p2: usize, p3: usize): void {
  let a = v128.load(state), b = v128.load(state, 16), c = v128.load(state, 32), d = v128.load(state, 48), e = v128.load(state, 64)
  const k0 = i32x4.splat(0x5a827999), k1 = i32x4.splat(0x6ed9eba1), k2 = i32x4.splat(<i32>0x8f1bbcdc), k3 = i32x4.splat(<i32>0xca62c1d6)
  let t0: v128, t1: v128, t2: v128, t3: v128, u0: v128, u1: v128, u2: v128, u3: v128
${transposedLoads()}`
  let names = ['a', 'b', 'c', 'd', 'e']
  for (let t = 0; t < 80; t++) {
    const [a, b, c, d, e] = names as [string, string, string, string, string]
    if (t >= 16) out += expand(t)
    if (t >= FIRST_WORD && t <= LAST_WORD) out += `  v128.store(words, w${t & 15}, ${t * 16})\n`
    const choose = xor(d, `v128.and(${b}, ${xor(c, d)})`)
    const parity = xor(xor(b, c), d)
    const majority = `v128.or(v128.and(${b}, ${c}), v128.and(${d}, ${xor(b, c)}))`
    const f = t < 20 ? choose : t >= 40 && t < 60 ? majority : parity
    out += `  ${e} = ${add(add(add(e, `w${t & 15}`), add(rotate(a, 5), `k${Math.floor(t / 20)}`)), f)}\n  ${b} = ${rotate(b, 30)}\n`
    names = [e, a, b, c, d]
    names.forEach((v, i) => (out += middles(t + 1, `v128.store(middle, ${v}, @ + ${i * 16})`)))
  }
  ;['a', 'b', 'c', 'd', 'e'].forEach((v, i) => (out += `  v128.store(state, ${add(v, `v128.load(state, ${i * 16})`)}, ${i * 16})\n`))
  return `${out}}\n\n`
}

/** The expanded words of four successive blocks of one message, one in each lane. */
function expandFour(): string {
  let out = `/** All 80 expanded words of four blocks, one in each lane, into \`words\`. */
export function expandFour(p0: usize, p1: usize, p2: usize, p3: usize): void {
  let t0: v128, t1: v128, t2: v128, t3: v128, u0: v128, u1: v128, u2: v128, u3: v128
${transposedLoads()}`
  for (let t = 0; t < 80; t++) out += `${t >= 16 ? expand(t) : ''}  v128.store(words, w${t & 15}, ${t * 16})\n`
  return `${out}}\n\n`
}

function oneLane(): string {
  let out = `/** One block of one message, whose expanded words stand in a lane of \`words\` (its offset in bytes); \`state\` holds five words. */
export function compressOne(state: usize, lane: usize): void {
  const w = words + lane
  const m = middle + lane
  let a = load<u32>(state), b = load<u32>(state, 4), c = load<u32>(state, 8), d = load<u32>(state, 12), e = load<u32>(state, 16)
`
  let names = ['a', 'b', 'c', 'd', 'e']
  const constants = ['0x5a827999', '0x6ed9eba1', '0x8f1bbcdc', '0xca62c1d6']
  for (let t = 0; t < 80; t++) {
    const [a, b, c, d, e] = names as [string, string, string, string, string]
    const choose = `(${d} ^ (${b} & (${c} ^ ${d})))`
    const parity = `(${b} ^ ${c} ^ ${d})`
    const majority = `((${b} & ${c}) + (${d} & (${b} ^ ${c})))`
    const f = t < 20 ? choose : t >= 40 && t < 60 ? majority : parity
    out += `  ${e} += rotl<u32>(${a}, 5) + ${f} + ${constants[Math.floor(t / 20)]} + load<u32>(w, ${t * 16}); ${b} = rotl<u32>(${b}, 30)\n`
    names = [e, a, b, c, d]
    names.forEach((v, i) => (out += middles(t + 1, `store<u32>(m, ${v}, @ + ${i * 16})`)))
  }
  ;['a', 'b', 'c', 'd', 'e'].forEach((v, i) => (out += `  store<u32>(state, ${v} + load<u32>(state, ${i * 4}), ${i * 4})\n`))
  return `${out}}\n\n`
}

/** Those conditions first that rule out the most vectors not yet unlikely; as many as pay in all four lanes at once. */
function splitConditions(first: number): { readonly early: Condition[]; readonly late: Condition[] } {
  const likelihood = vectors.map(() => 1)
  const late = [...conditions]
  const early: Condition[] = []
  const gain = (c: Condition) => likelihood.reduce((sum, p, i) => sum + ((c.vectors >>> i) & 1 ? p : 0), 0)
  while (early.length < first && late.length > 0) {
    const best = late.reduce((x, y) => (gain(y) > gain(x) ? y : x))
    late.splice(late.indexOf(best), 1)
    early.push(best)
    likelihood.forEach((p, i) => ((best.vectors >>> i) & 1 ? (likelihood[i] = p / 2) : 0))
  }
  return { early, late }
}

function shifted(word: string, by: number): string {
  return by === 0 ? word : by > 0 ? `i32x4.shl(${word}, ${by})` : `i32x4.shr_u(${word}, ${-by})`
}

function checks(earlyCount: number): string {
  const { early, late } = splitConditions(earlyCount)
  const masks = early.map((c) => [c.vectors, c.vectors, c.vectors, c.vectors]).flat()
  let out = `const masks: usize = memory.data<u32>([${masks.join(', ')}])

/** For each lane the vectors that the first ${early.length} conditions don't rule out. */
export function survivorsOfFour(): v128 {
  const zero = i32x4.splat(0)
  let ruledOut = zero
  let t: v128
`
  early.forEach((c, i) => {
    const difference = xor(`v128.load(words, ${c.word1 * 16})`, shifted(`v128.load(words, ${c.word2 * 16})`, c.bit1 - c.bit2))
    out += `  t = i32x4.shr_s(${shifted(difference, 31 - c.bit1)}, 31)\n`
    const mask = `v128.load(masks, ${i * 16})`
    out += `  ruledOut = v128.or(ruledOut, ${c.equal ? `v128.and(${mask}, t)` : `v128.andnot(${mask}, t)`})\n`
  })
  out += '  return v128.not(ruledOut)\n}\n\n'
  // The others are data: word offsets and bits, by vector.
  const rows = vectors.map((_, i) => late.filter((c) => (c.vectors >>> i) & 1))
  const starts = [0]
  for (const row of rows) starts.push(starts.at(-1)! + row.length)
  out += `const starts: usize = memory.data<u16>([${starts.join(', ')}])\n`
  out += `const rules: usize = memory.data<u16>([${rows
    .flat()
    .flatMap((c) => [c.word1 * 16, c.word2 * 16, c.bit1 | (c.bit2 << 8), c.equal ? 0 : 1])
    .join(', ')}])\n`
  return `${out}
/** Whether the remaining conditions allow that vector in that lane. */
export function allows(lane: u32, vector: u32): bool {
  const end = <u32>load<u16>(starts + (vector << 1), 2)
  const at = words + (lane << 2)
  for (let i = <u32>load<u16>(starts + (vector << 1)); i < end; i++) {
    const rule = rules + (i << 3)
    const one = load<u32>(at + load<u16>(rule)) >> load<u8>(rule, 4)
    const two = load<u32>(at + load<u16>(rule, 2)) >> load<u8>(rule, 5)
    if (((one ^ two) & 1) != <u32>load<u16>(rule, 6)) return false
  }
  return true
}

/** The 80 message differences of each vector. */
export const differences: usize = memory.data<u32>([${vectors.flatMap((v) => [...v.differences]).join(', ')}])
/** Bit i: vector i is checked from step 58, otherwise from step 65. */
export const EARLY_STEP: u32 = ${vectors.reduce((set, v, i) => (v.step === 58 ? (set | (1 << i)) >>> 0 : set), 0)}
`
}

/** The whole generated module. `earlyCount`: conditions that are tried in four lanes at once. */
export function sha1Source(earlyCount = 110): string {
  return `// Generated by kernels/generate/sha1-source.ts.

/** Expanded words, step by step, four lanes each. */
export const words: usize = memory.data(1280, 16)
/** States before steps 58 and 65: five vectors of four lanes each. */
export const middle: usize = memory.data(160, 16)

${fourLanes()}${expandFour()}${oneLane()}${checks(earlyCount)}`
}
