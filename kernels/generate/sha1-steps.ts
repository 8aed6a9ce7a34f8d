// Pieces of the SHA-1 kernels that kernels/generate writes: AssemblyScript expressions over vectors of four lanes.

export const xor = (a: string, b: string) => `v128.xor(${a}, ${b})`
export const add = (a: string, b: string) => `i32x4.add(${a}, ${b})`
export const rotate = (x: string, n: number) => `v128.or(${n === 1 ? add(x, x) : `i32x4.shl(${x}, ${n})`}, i32x4.shr_u(${x}, ${32 - n}))`
export const halves = ['x', 'y'] as const
export const constants = ['0x5a827999', '0x6ed9eba1', '0x8f1bbcdc', '0xca62c1d6']
export const registers: readonly string[] = ['a', 'b', 'c', 'd', 'e']

export type Five = [string, string, string, string, string]

/** Sixteen words of four blocks, one block in each lane, into `words`. `load` is the load of four words of a lane's block. */
export function transposedLoads(load: (lane: number, offset: number) => string, half: number): string {
  let out = ''
  for (let g = 0; g < 4; g++) {
    for (let lane = 0; lane < 4; lane++) out += `  t${lane} = ${load(lane, g * 16)}\n`
    out += `  u0 = i32x4.shuffle(t0, t1, 0, 4, 1, 5)\n  u1 = i32x4.shuffle(t0, t1, 2, 6, 3, 7)\n`
    out += `  u2 = i32x4.shuffle(t2, t3, 0, 4, 1, 5)\n  u3 = i32x4.shuffle(t2, t3, 2, 6, 3, 7)\n`
    out += `  t0 = i64x2.shuffle(u0, u2, 0, 2)\n  t1 = i64x2.shuffle(u0, u2, 1, 3)\n`
    out += `  t2 = i64x2.shuffle(u1, u3, 0, 2)\n  t3 = i64x2.shuffle(u1, u3, 1, 3)\n`
    for (let j = 0; j < 4; j++) {
      const swapped = `i8x16.shuffle(t${j}, t${j}, 3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12)`
      out += `  v128.store(words, ${swapped}, ${wordAt(g * 4 + j, half)})\n`
    }
  }
  return out
}

export function wordAt(t: number, half: number): number {
  return t * 32 + half * 16
}

/** The function of b, c and d in step t. */
export function mixedOf(t: number, b: string, c: string, d: string): string {
  if (t < 20) return xor(d, `v128.and(${b}, ${xor(c, d)})`)
  if (t >= 40 && t < 60) return `v128.or(v128.and(${b}, ${c}), v128.and(${d}, ${xor(b, c)}))`
  return xor(xor(b, c), d)
}
