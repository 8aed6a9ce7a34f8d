// The twin of sha1.ts and sha1-collision.ts: the digest, and whether a block carries an attack, found by trying every disturbance vector.
import { conditions, vectors } from '../sha1-conditions.ts'

const rotl = (x: number, n: number) => ((x << n) | (x >>> (32 - n))) >>> 0

function mixed(t: number, b: number, c: number, d: number): number {
  if (t < 20) return ((d ^ (b & (c ^ d))) >>> 0) + 0x5a827999
  if (t < 40) return ((b ^ c ^ d) >>> 0) + 0x6ed9eba1
  if (t < 60) return (((b & c) | (d & (b ^ c))) >>> 0) + 0x8f1bbcdc
  return ((b ^ c ^ d) >>> 0) + 0xca62c1d6
}

export type State = [number, number, number, number, number]

function forward([a, b, c, d, e]: State, w: Uint32Array, from: number, to: number): State {
  for (let t = from; t < to; t++) {
    const next = (rotl(a, 5) + mixed(t, b, c, d) + e + w[t]!) >>> 0
    ;[e, d, c, b, a] = [d, c, rotl(b, 30), a, next]
  }
  return [a, b, c, d, e]
}

function backward([a, b, c, d, e]: State, w: Uint32Array, from: number): State {
  for (let t = from - 1; t >= 0; t--) {
    const next = a
    ;[a, b, c, d] = [b, rotl(c, 2), d, e]
    e = (next - rotl(a, 5) - mixed(t, b, c, d) - w[t]!) >>> 0
  }
  return [a, b, c, d, e]
}

const sum = (x: State, y: State): State => x.map((v, i) => (v + y[i]!) >>> 0) as State

/** The block's 80 words. */
export function expand(block: Uint8Array): Uint32Array {
  const view = new DataView(block.buffer, block.byteOffset, 64)
  const w = new Uint32Array(80)
  for (let t = 0; t < 16; t++) w[t] = view.getUint32(t * 4)
  for (let t = 16; t < 80; t++) w[t] = rotl(w[t - 3]! ^ w[t - 8]! ^ w[t - 14]! ^ w[t - 16]!, 1)
  return w
}

/** The vectors whose every condition the block meets. */
export function allowedVectors(w: Uint32Array): number[] {
  return vectors
    .map((_, i) => i)
    .filter((i) =>
      conditions.every(
        (c) => ((c.vectors >>> i) & 1) === 0 || ((((w[c.word1]! >>> c.bit1) ^ (w[c.word2]! >>> c.bit2)) & 1) === 0) === c.equal,
      ),
    )
}

/** The states before the first step and behind the last of the block that would be the other half by that vector. */
export function otherHalf(start: State, w: Uint32Array, vector: number): { readonly first: State; readonly last: State } {
  const { step, differences } = vectors[vector]!
  const middle = forward(start, w, 0, step)
  const other = w.map((word, t) => word ^ differences[t]!)
  return { first: backward(middle, other, step), last: forward(middle, other, step, 80) }
}

/** The vectors by which the block is half of a collision; conditions are not asked. */
export function collidingVectors(start: State, w: Uint32Array): number[] {
  const ours = sum(start, forward(start, w, 0, 80))
  return vectors
    .map((_, i) => i)
    .filter((i) => {
      const { first, last } = otherHalf(start, w, i)
      const theirs = sum(first, last)
      return ours.every((word, k) => word === theirs[k])
    })
}

/** The digest, and the number of the first block that carries an attack (−1: none). */
export function sha1(message: Uint8Array): { readonly digest: Uint8Array; readonly attack: number } {
  const size = Math.ceil((message.length + 9) / 64) * 64
  const padded = new Uint8Array(size)
  padded.set(message)
  padded[message.length] = 0x80
  const view = new DataView(padded.buffer)
  view.setBigUint64(size - 8, BigInt(message.length) * 8n)
  let state: State = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0]
  let attack = -1
  for (let at = 0; at < size; at += 64) {
    const w = expand(padded.subarray(at, at + 64))
    if (attack < 0 && collidingVectors(state, w).length > 0) attack = at / 64
    state = sum(state, forward(state, w, 0, 80))
  }
  const digest = new Uint8Array(20)
  state.forEach((word, i) => new DataView(digest.buffer).setUint32(i * 4, word))
  return { digest, attack }
}
