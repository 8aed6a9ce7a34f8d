// Seeded choices for fault tests: the same seed gives the same faults. Tests print their seed, and take it from STEMMA_TEST_SEED.
import { createHash } from 'node:crypto'
import type { Randomness } from '../../src/base/index.ts'
import { seededBytes, SeededRandom } from './random.ts'

/** Randomness for what is tested, and choices for the test itself, out of one seed. */
export class Seeded implements Randomness {
  readonly seed: number
  readonly #random: SeededRandom

  constructor(seed: number) {
    this.seed = seed
    this.#random = new SeededRandom(seed)
  }

  /** 0 ≤ x < 1. */
  fraction(): number {
    return this.#random.next()
  }

  /** 0 … below − 1. */
  below(below: number): number {
    return this.#random.below(below)
  }

  pick<T>(from: readonly T[]): T {
    const picked = from[this.below(from.length)]
    if (picked === undefined) throw new RangeError('nothing to pick from')
    return picked
  }

  bytes(sizeBytes: number): Uint8Array {
    return noise(this.below(2 ** 31), sizeBytes)
  }

  uuid(): string {
    const hex = createHash('md5').update(this.bytes(16)).digest('hex')
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20)}`
  }
}

/** seededBytes as a plain Uint8Array, whose slice() copies. */
export function noise(seed: number, sizeBytes: number): Uint8Array {
  const bytes = seededBytes(seed, sizeBytes)
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
}

/** The seed of this run: from STEMMA_TEST_SEED, else fresh; printed, so that a failure can be repeated. */
export function seedOfRun(what: string): number {
  const given = process.env['STEMMA_TEST_SEED']
  const seed = given === undefined ? Math.floor(Math.random() * 2 ** 32) : Number(given)
  console.log(`${what}: STEMMA_TEST_SEED=${seed}`)
  return seed
}
