// Repeatable randomness for tests and benchmarks: the same seed gives the same numbers and bytes on every machine.
import { createCipheriv, createHash } from 'node:crypto'

/** Numbers in [0, 1), by mulberry32. */
export class SeededRandom {
  #state: number
  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let t = this.#state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }

  /** A whole number in [0, limit). */
  below(limit: number): number {
    return Math.floor(this.next() * limit)
  }
}

/** Incompressible bytes (AES-128 in counter mode over zeros, keyed by the seed). */
export function seededBytes(seed: string | number, sizeBytes: number): Buffer {
  const key = createHash('sha256').update(String(seed)).digest().subarray(0, 16)
  return createCipheriv('aes-128-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(sizeBytes))
}
