// The disturbance vectors that SHA-1 collision attacks can use, and what a message block must look like to follow one of them.
// Source: Stevens & Shumow, "Speeding up detection of SHA-1 collision attacks using unavoidable attack conditions" (USENIX Security
// 2017), and the tables published with it. Here in a form of our own: a vector I(K,b) or II(K,b) is one sequence shifted by K steps and
// rotated by b bits, so that its message differences follow from three bits, and its conditions are stated once, relative to K.
// Data for the generator (kernels/generate) and for the twin; held together by sha1-conditions.test.ts.

export interface DisturbanceVector {
  readonly type: 1 | 2
  readonly k: number
  readonly b: number
  /** The step from which both messages' states are equal when the attack used this vector. */
  readonly step: 58 | 65
  /** XOR differences of the 80 expanded message words. */
  readonly differences: Uint32Array
}

/** Bit `bit1` of word `word1` and bit `bit2` of word `word2` are equal (or differ) in every block that follows the vectors of the set. */
export interface Condition {
  readonly word1: number
  readonly bit1: number
  readonly word2: number
  readonly bit2: number
  readonly equal: boolean
  /** Bit i: vectors[i] needs it. */
  readonly vectors: number
}

type Relation = readonly [
  step1: number,
  bit1: number,
  sign: '=' | '≠',
  step2: number,
  bit2: number,
  firstK: number,
  lastK: number,
  except?: number,
]

// For each class: [K's of the class], then relations W[K+step1].bit1 (= or ≠) W[K+step2].bit2 for K in firstK…lastK.
// Relations end where their words would leave the steps 35 to 64, in which no condition depends on the attacker's freedom.
const classes: readonly { type: 1 | 2; b: number; ks: readonly number[]; relations: readonly Relation[] }[] = [
  {
    type: 1,
    b: 0,
    ks: [43, 44, 45, 46, 47, 48, 49, 50, 51, 52],
    relations: [
      [-16, 3, '=', -12, 28, 51, 51],
      [-14, 4, '≠', -13, 4, 50, 52],
      [-13, 4, '=', -9, 29, 48, 52],
      [-10, 4, '=', -7, 29, 47, 52],
      [-10, 4, '=', -6, 29, 45, 46],
      [-8, 29, '=', -7, 29, 48, 52],
      [-7, 29, '=', -6, 29, 47, 52],
      [-6, 4, '=', -3, 29, 43, 52],
      [-6, 4, '≠', -4, 4, 43, 46],
      [-4, 4, '=', -1, 29, 43, 52],
      [-4, 4, '≠', -2, 4, 43, 44],
      [-4, 29, '=', -3, 29, 44, 52],
      [-4, 29, '≠', 3, 29, 52, 52],
      [-3, 29, '≠', -1, 29, 47, 52],
      [-3, 29, '≠', 4, 29, 51, 51],
      [-2, 4, '=', 1, 29, 43, 52],
      [-1, 29, '≠', 1, 29, 45, 51],
      [0, 4, '=', 3, 29, 43, 52],
      [1, 29, '≠', 4, 29, 50, 52, 51],
      [1, 29, '≠', 3, 29, 43, 49],
      [3, 29, '=', 4, 29, 43, 52],
      [15, 0, '≠', 16, 5, 45, 48],
      [15, 0, '≠', 20, 30, 43, 44],
      [16, 5, '=', 20, 30, 43, 44],
      [18, 1, '≠', 19, 6, 43, 45],
    ],
  },
  {
    type: 1,
    b: 2,
    ks: [46, 47, 48, 49, 50, 51],
    relations: [
      [-16, 5, '=', -12, 30, 51, 51],
      [-14, 6, '=', -14, 1, 51, 51],
      [-14, 1, '≠', -13, 6, 49, 51],
      [-11, 1, '≠', -10, 6, 46, 51, 49],
      [-11, 1, '≠', -9, 1, 49, 49],
      [-10, 6, '=', -9, 1, 49, 51],
      [-7, 1, '≠', -6, 6, 46, 48],
      [-7, 1, '≠', -6, 6, 51, 51],
      [-7, 1, '≠', 1, 1, 49, 50],
      [-6, 6, '=', -4, 6, 46, 51],
      [-4, 6, '=', -2, 6, 46, 51],
      [-2, 6, '=', 0, 6, 46, 51],
      [0, 6, '=', 1, 1, 46, 51],
      [15, 2, '≠', 16, 7, 46, 48],
    ],
  },
  {
    type: 2,
    b: 0,
    ks: [45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56],
    relations: [
      [-18, 4, '=', -15, 29, 55, 56],
      [-18, 4, '≠', -16, 4, 54, 56],
      [-16, 4, '=', -13, 29, 53, 56],
      [-16, 4, '≠', -14, 4, 52, 56],
      [-16, 29, '=', -15, 29, 56, 56],
      [-13, 30, '≠', -8, 28, 48, 52],
      [-12, 4, '=', -8, 29, 47, 56],
      [-12, 3, '=', -8, 28, 47, 56],
      [-9, 4, '=', -6, 29, 46, 56],
      [-9, 4, '=', -5, 29, 45, 45],
      [-7, 29, '=', -6, 29, 47, 56],
      [-6, 29, '=', -5, 29, 46, 56],
      [-4, 4, '=', -1, 29, 45, 56],
      [-2, 29, '=', -1, 29, 45, 56],
      [-1, 29, '=', 0, 29, 45, 56],
      [2, 4, '=', 5, 29, 45, 54],
      [2, 4, '=', 4, 29, 55, 55],
      [4, 29, '=', 5, 29, 45, 54],
      [4, 29, '≠', 7, 29, 47, 47],
      [4, 29, '≠', 7, 29, 49, 49],
      [4, 29, '≠', 7, 29, 52, 52],
      [4, 4, '=', 7, 29, 45, 52],
      [4, 4, '=', 8, 29, 53, 56],
      [5, 29, '≠', 8, 29, 46, 46],
      [5, 29, '≠', 8, 29, 48, 48],
      [5, 29, '≠', 8, 29, 50, 51],
      [5, 29, '≠', 8, 29, 53, 53],
      [5, 29, '≠', 7, 29, 45, 45],
      [7, 29, '=', 8, 29, 45, 52],
      [15, 0, '≠', 16, 5, 45, 48],
      [18, 1, '≠', 19, 6, 45, 45],
    ],
  },
  {
    type: 2,
    b: 2,
    ks: [46, 49, 50, 51],
    relations: [
      [-13, 0, '≠', -8, 30, 49, 51],
      [-12, 5, '=', -8, 30, 49, 51],
      [-10, 1, '≠', -9, 6, 46, 51],
      [-9, 6, '=', -8, 1, 49, 51],
      [-5, 1, '≠', -4, 6, 46, 49],
      [-5, 1, '≠', -3, 1, 50, 51],
      [-4, 6, '=', -3, 1, 46, 51],
      [1, 1, '≠', 5, 1, 46, 51],
      [2, 6, '=', 4, 6, 46, 51],
      [4, 6, '=', 5, 1, 46, 51],
      [15, 2, '≠', 16, 7, 46, 46],
    ],
  },
]

/** The 32 vectors that are within reach of an attack, type I first, by K and then b. */
export const vectors: readonly DisturbanceVector[] = classes
  .flatMap(({ type, b, ks }) => ks.map((k) => ({ type, k, b })))
  .sort((x, y) => x.type - y.type || x.k - y.k || x.b - y.b)
  .map(({ type, k, b }) => ({ type, k, b, step: k < 50 ? (58 as const) : (65 as const), differences: messageDifferences(type, k, b) }))

/** All conditions, each once, with the set of the vectors that need it. */
export const conditions: readonly Condition[] = mergeConditions()

function mergeConditions(): Condition[] {
  const merged = new Map<string, { -readonly [P in keyof Condition]: Condition[P] }>()
  vectors.forEach(({ type, k, b }, index) => {
    for (const [step1, bit1, sign, step2, bit2, firstK, lastK, except] of classes.find((c) => c.type === type && c.b === b)!.relations) {
      if (k < firstK || k > lastK || k === except) continue
      const key = [k + step1, bit1, sign, k + step2, bit2].join(' ')
      const known = merged.get(key) ?? { word1: k + step1, bit1, word2: k + step2, bit2, equal: sign === '=', vectors: 0 }
      known.vectors = (known.vectors | (1 << index)) >>> 0
      merged.set(key, known)
    }
  })
  return [...merged.values()]
}

function rotl(x: number, n: number): number {
  return ((x << n) | (x >>> (32 - n))) >>> 0
}

/**
 * A vector says in which steps a single-bit disturbance enters the state. It obeys the message expansion, so sixteen of its words give all
 * others; each disturbance is undone by corrections in the five steps behind it (a local collision, Chabaud & Joux 1998).
 */
function messageDifferences(type: 1 | 2, k: number, b: number): Uint32Array {
  const lead = 5
  const d = new Uint32Array(80 + lead)
  const at = (step: number) => step + lead
  if (type === 2) d[at(k + 1)] = d[at(k + 3)] = rotl(1, (31 + b) & 31)
  d[at(k + 15)] = rotl(1, b)
  for (let t = k + 16; t < 80; t++) d[at(t)] = rotl(d[at(t - 3)]! ^ d[at(t - 8)]! ^ d[at(t - 14)]! ^ d[at(t - 16)]!, 1)
  for (let t = k - 1; t >= -lead; t--) d[at(t)] = rotl(d[at(t + 16)]!, 31) ^ d[at(t + 13)]! ^ d[at(t + 8)]! ^ d[at(t + 2)]!
  return Uint32Array.from({ length: 80 }, (_, t) => {
    const [x0, x1, x2, x3, x4, x5] = [0, 1, 2, 3, 4, 5].map((back) => d[at(t - back)]!) as [number, number, number, number, number, number]
    return x0 ^ rotl(x1, 5) ^ x2 ^ rotl(x3, 30) ^ rotl(x4, 30) ^ rotl(x5, 30)
  })
}
