// The golden bytes: what every engine must make a known stream of before it is used. They never change, or every digest in goldens would.
// Made so that all paths are walked: prose-like repeats near and far, runs, headers with columns of numbers, noise that is stored, and silence.
import { createHash } from 'node:crypto'
import type { DeflateEncoder } from './engine.ts'

/** A generator of numbers (xorshift32) that gives the same ones everywhere. */
export function numbersFrom(seed: number): (below: number) => number {
  let state = seed >>> 0 || 1
  return (below) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
  }
}

/** Bytes of every kind that layers hold, the same for the same seed. */
export function mixedBytes(seed: number, sizeBytes: number): Uint8Array {
  const below = numbersFrom(seed)
  const out = new Uint8Array(sizeBytes)
  const words = Array.from({ length: 400 }, () => Array.from({ length: 2 + below(9) }, () => 97 + below(26)))
  let at = 0
  const put = (byte: number) => {
    if (at < sizeBytes) out[at++] = byte
  }
  const kinds = [
    () => {
      for (let i = 200 + below(2000); i > 0; i--) {
        for (const letter of words[Math.min(below(400), below(400))] ?? []) put(letter)
        put(below(12) === 0 ? 10 : 32)
      }
    },
    () => {
      for (let i = 1 + below(6000), byte = below(256); i > 0; i--) put(byte)
    },
    () => {
      for (let i = below(20000); i > 0; i--) put(below(256))
    },
    () => {
      for (let i = 1 + below(300), n = below(1e6); i > 0; i--, n += 1 + below(40)) for (const c of `${n},${n % 7};\t`) put(c.charCodeAt(0))
    },
    () => {
      const back = 1 + below(Math.min(at, 70000) || 1)
      for (let i = below(9000); i > 0; i--) put(below(60) === 0 ? below(256) : (out[at - back] ?? 0))
    },
    () => {
      for (let i = below(12000), few = 2 + below(3); i > 0; i--) put(below(few) * 17)
    },
  ]
  while (at < sizeBytes) kinds[below(kinds.length)]?.()
  return out
}

export const goldenSeed = 20261127
/** For an engine that has no reason to want more. */
export const goldenBytes = 300_000

/** What a golden vector is compared to. */
export function streamDigest(encoder: DeflateEncoder, bytes: Uint8Array): string {
  const hash = createHash('sha256')
  // In uneven pieces: where they end must bear on nothing.
  for (let at = 0, size = 1; at < bytes.length; at += size, size = (size * 7) % 65_521) {
    for (const piece of encoder.push(bytes.subarray(at, at + size))) hash.update(piece)
  }
  for (const piece of encoder.end()) hash.update(piece)
  return hash.digest('hex').slice(0, 16)
}
