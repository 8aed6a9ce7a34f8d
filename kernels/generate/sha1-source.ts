// Writes the SHA-1 kernels' straight-line code (RFC 3174 §6, unrolled): as loops, the compiler would keep the state in memory.
// Output is AssemblyScript; kernels/build.ts puts it in build/generated/.
//
// Expanded words lie step by step, 32 bytes each: eight lanes in two vectors, x and y. So do states: five times 32 bytes.
// What decides the speed: the way from one step's result to the next (rotate by 5, add) is the longest chain of instructions that wait for
// one another, so everything else is added up before; and the two vectors are independent, so that one works while the other waits.
import { collisionSource } from './collision-source.ts'
import { conditionsSource } from './conditions-source.ts'
import { END, LATE, POINTERS, Step } from './sha1-layout.ts'
import { add, constants, type Five, halves, mixedOf, registers, rotate, transposedLoads, wordAt, xor } from './sha1-steps.ts'

/** The expanded word of step t, from those before it. */
function expanded(t: number, half: number): string {
  const w = (back: number) => `v128.load(words, ${wordAt(t - back, half)})`
  return xor(xor(w(3), w(8)), xor(w(14), w(16)))
}

/** The statements that keep the state before this step, if it is one from which the collision check starts. */
function middles(step: number, store: (place: number) => string): string {
  if (step !== Step.early && step !== Step.late) return ''
  return store(step === Step.late ? LATE : 0)
}

function eightLanes(): string {
  let out = `/**
 * One block of each of eight messages. The blocks' places stand in \`slot\`, which gets the states that the collision check needs; \`state\`
 * holds the five state words, \`words\` gets the expanded words.
 */
export function compressEight(state: usize, words: usize, slot: usize): void {
  let t0: v128, t1: v128, t2: v128, t3: v128, u0: v128, u1: v128, u2: v128, u3: v128
`
  for (let lane = 0; lane < 8; lane++) out += `  const p${lane} = <usize>load<u32>(slot, ${POINTERS + lane * 4})\n`
  halves.forEach((_, half) => (out += transposedLoads((lane, offset) => `v128.load(p${half * 4 + lane}, ${offset})`, half)))
  halves.forEach((h, half) => registers.forEach((r, i) => (out += `  let ${r}${h} = v128.load(state, ${wordAt(i, half)})\n`)))
  out += '  let wx: v128, wy: v128\n  let w = words\n  let end: usize\n'
  out += constants.map((value, i) => `  let k${i} = i32x4.splat(<i32>${value})\n`).join('')
  out += `${steps(0, 15)}${straight(15)}${steps(20, 40)}${steps(40, 55)}${straight(55)}${straight(60)}${steps(65, 80)}`
  halves.forEach((h, half) =>
    registers.forEach((r, i) => {
      out += `  ${r}${h} = ${add(`${r}${h}`, `v128.load(state, ${wordAt(i, half)})`)}\n`
      out += `  v128.store(state, ${r}${h}, ${wordAt(i, half)})\n  v128.store(slot, ${r}${h}, ${END + wordAt(i, half)})\n`
    }),
  )
  return `${out}}\n\n`
}

/** A loop of five steps at a time: then each register has its old name again. Unrolled to the end, the code would not stay decoded. */
function steps(from: number, to: number): string {
  return `  end = words + ${to * 32}\n  do {\n${straight(from, false)}  } while (w < end)\n`
}

/** Five steps; step \`t\` stands for itself or, in a loop, for those of the same phase. */
function straight(t: number, keeps = true): string {
  let out = ''
  let names = registers
  for (let i = 0; i < 5; i++) {
    halves.forEach((h, half) => (out += laneStep(t + i, i, names.map((name) => name + h) as Five, `w${h}`, half)))
    names = [names[4]!, ...names.slice(0, 4)]
    if (!keeps) continue
    halves.forEach((h, half) => {
      const store = (place: number) => names.map((v, n) => `  v128.store(slot, ${v}${h}, ${place + wordAt(n, half)})\n`).join('')
      out += middles(t + i + 1, store)
    })
  }
  return `${out}  w += 160\n`
}

/** Step t, whose word is the i-th from \`w\`. */
function laneStep(t: number, i: number, [a, b, c, d, e]: Five, word: string, half: number): string {
  let out = ''
  if (t < 16) out += `  ${word} = v128.load(w, ${wordAt(i, half)})\n`
  else {
    const past = (back: number) =>
      back > i ? `v128.load(w - 512, ${wordAt(16 + i - back, half)})` : `v128.load(w, ${wordAt(i - back, half)})`
    out += `  ${word} = ${xor(xor(past(3), past(8)), xor(past(14), past(16)))}\n  ${word} = ${rotate(word, 1)}\n`
    out += `  v128.store(w, ${word}, ${wordAt(i, half)})\n`
  }
  out += `  ${e} = ${add(add(add(add(e, `k${Math.floor(t / 20)}`), word), mixedOf(t, b, c, d)), rotate(a, 5))}\n`
  return `${out}  ${b} = ${rotate(b, 30)}\n`
}

/** The expanded words of four successive blocks of one message, one in each lane. */
function expandFour(): string {
  let out = `/** All 80 expanded words of four blocks into one half of \`words\`. */
export function expandFour(words: usize, p0: usize, p1: usize, p2: usize, p3: usize): void {
  let t0: v128, t1: v128, t2: v128, t3: v128, u0: v128, u1: v128, u2: v128, u3: v128
${transposedLoads((lane, offset) => `v128.load(p${lane}, ${offset})`, 0)}`
  for (let t = 16; t < 80; t++) out += `  t0 = ${expanded(t, 0)}\n  v128.store(words, ${rotate('t0', 1)}, ${wordAt(t, 0)})\n`
  return `${out}}\n\n`
}

function oneLane(): string {
  let out = `/** One block of one message: its expanded words stand in a lane from \`w\` on; \`state\` holds five words, \`slot\` points to the lane there. */
export function compressOne(state: usize, w: usize, slot: usize): void {
  let a = load<u32>(state), b = load<u32>(state, 4), c = load<u32>(state, 8), d = load<u32>(state, 12), e = load<u32>(state, 16)
`
  let names = registers
  for (let t = 0; t < 80; t++) {
    const [a, b, c, d, e] = names as Five
    const choose = `(${d} ^ (${b} & (${c} ^ ${d})))`
    const parity = `(${b} ^ ${c} ^ ${d})`
    const majority = `((${b} & ${c}) + (${d} & (${b} ^ ${c})))`
    const f = t < 20 ? choose : t >= 40 && t < 60 ? majority : parity
    out += `  ${e} += ${constants[Math.floor(t / 20)]} + load<u32>(w, ${wordAt(t, 0)}) + ${f} + rotl<u32>(${a}, 5); ${b} = rotl<u32>(${b}, 30)\n`
    names = [names[4]!, ...names.slice(0, 4)]
    out += middles(t + 1, (place) => names.map((v, i) => `  store<u32>(slot, ${v}, ${place + wordAt(i, 0)})\n`).join(''))
  }
  registers.forEach((r, i) => {
    out += `  ${r} += load<u32>(state, ${i * 4})\n  store<u32>(state, ${r}, ${i * 4})\n  store<u32>(slot, ${r}, ${END + wordAt(i, 0)})\n`
  })
  return `${out}}\n\n`
}

/** The whole generated module. */
export function sha1Source(): string {
  return `// Generated by kernels/generate/sha1-source.ts.\n\n${eightLanes()}${expandFour()}${oneLane()}${collisionSource()}${conditionsSource()}`
}
