// Writes the straight-line code of the collision check (kernels/assembly/sha1-collision.ts): the other half's words, and its states from the
// middle back to the start and on to the end. Eight suspects side by side; words and states lie as in sha1-source.ts.
import { Step } from './sha1-layout.ts'
import { add, constants, type Five, halves, mixedOf, registers, rotate, transposedLoads, wordAt, xor } from './sha1-steps.ts'

const sub = (a: string, b: string) => `i32x4.sub(${a}, ${b})`

function changedWords(): string {
  let out = `/** The first 16 words of eight blocks, changed by differences: \`from\` holds where each block is, then where its differences are. */
export function changedWords(words: usize, from: usize): void {
  let t0: v128, t1: v128, t2: v128, t3: v128, u0: v128, u1: v128, u2: v128, u3: v128
`
  for (let lane = 0; lane < 8; lane++) {
    out += `  const p${lane} = <usize>load<u32>(from, ${lane * 4}), c${lane} = <usize>load<u32>(from, ${32 + lane * 4})\n`
  }
  halves.forEach((_, half) => {
    const load = (lane: number, at: number) => xor(`v128.load(p${half * 4 + lane}, ${at})`, `v128.load(c${half * 4 + lane}, ${at})`)
    out += transposedLoads(load, half)
  })
  return `${out}}\n\n`
}

/** From the state behind step t to the one before it. */
function stepBack(t: number, word: string, [a, b, c, d, e]: Five): string {
  const rest = sub(sub(a, rotate(b, 5)), add(word, `k${Math.floor(t / 20)}`))
  return `  ${c} = ${rotate(c, 2)}\n  ${a} = ${sub(rest, mixedOf(t, c, d, e))}\n`
}

function stepOn(t: number, word: string, [a, b, c, d, e]: Five): string {
  const rest = add(add(add(e, `k${Math.floor(t / 20)}`), word), mixedOf(t, b, c, d))
  return `  ${e} = ${add(rest, rotate(a, 5))}\n  ${b} = ${rotate(b, 30)}\n`
}

/** `count` steps from the state before step t (behind it, if backward), and the registers' names after them. `w` points to step t's word. */
function run(t: number, count: number, isBack: boolean, names: readonly string[]): { code: string; names: readonly string[] } {
  let code = isBack ? `  w -= ${count * 32}\n` : ''
  let some = names
  for (let i = 0; i < count; i++) {
    halves.forEach((h, half) => {
      const five = some.map((name) => name + h) as Five
      if (isBack) code += stepBack(t - 1 - i, `v128.load(w, ${wordAt(count - 1 - i, half)})`, five)
      else code += stepOn(t + i, `v128.load(w, ${wordAt(i, half)})`, five)
    })
    some = isBack ? [...some.slice(1), some[0]!] : [some[4]!, ...some.slice(0, 4)]
  }
  return { code: isBack ? code : `${code}  w += ${count * 32}\n`, names: some }
}

/** All steps on one side of a middle. Five at a time in a loop: then each register has its old name again. */
function walk(name: string, from: number, isBack: boolean): string {
  let out = `/** The states ${isBack ? 'before step 0' : 'behind step 79'}, from those before step ${from} at \`middle\`. */
export function ${name}(words: usize, middle: usize, to: usize): void {
  let w = words + ${from * 32}
${constants.map((value, i) => `  let k${i} = i32x4.splat(<i32>${value})\n`).join('')}`
  halves.forEach((h, half) => registers.forEach((r, i) => (out += `  let ${r}${h} = v128.load(middle, ${wordAt(i, half)})\n`)))
  let names = registers
  for (let t = from; t !== (isBack ? 0 : 80); ) {
    const border = isBack ? Math.ceil(t / 20 - 1) * 20 : Math.floor(t / 20 + 1) * 20
    const alone = run(t, Math.abs(border - t) % 5, isBack, names)
    names = alone.names
    t += (isBack ? -1 : 1) * (Math.abs(border - t) % 5)
    const { code } = run(t, 5, isBack, names)
    out += `${alone.code}  do {\n${code}  } while (w ${isBack ? '>' : '<'} words + ${border * 32})\n`
    t = border
  }
  halves.forEach((h, half) => names.forEach((n, i) => (out += `  v128.store(to, ${n}${h}, ${wordAt(i, half)})\n`)))
  return `${out}}\n\n`
}

export function collisionSource(): string {
  const { early, late } = Step
  return [
    changedWords(),
    walk('backFromEarly', early, true),
    walk('backFromLate', late, true),
    walk('onFromEarly', early, false),
    walk('onFromLate', late, false),
  ].join('')
}
