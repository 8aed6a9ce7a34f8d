// deltaEncode against its twin, against applyDelta, and at its limits.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { kernelMemory } from '../tests/support/kernel-memory.ts'
import { applyDelta as applied } from '../src/git/format/delta.ts'
import { deltaEncode as twin } from './twin/delta-encode.ts'

const { kernel, bytes, place } = kernelMemory(64)

/** Null when it would be longer. What lies around the result is left alone. */
function encode(base: Uint8Array, target: Uint8Array, most = target.length + 1000): Uint8Array | null {
  const index = new Uint8Array(kernel.deltaIndexBytes(base.length)).fill(0xa5)
  const out = new Uint8Array(most + 160)
  const [baseAt = 0, targetAt = 0, indexAt = 0, outAt = 0] = place(base, target, index, out)
  bytes.fill(0x5a, outAt - 64, outAt)
  bytes.fill(0x5a, outAt + most + 160, outAt + most + 224)
  kernel.deltaIndex(baseAt, base.length, indexAt)
  const length = kernel.deltaEncode(baseAt, base.length, indexAt, targetAt, target.length, outAt, most)
  assert.ok(bytes.subarray(outAt - 64, outAt).every((byte) => byte === 0x5a))
  assert.ok(bytes.subarray(outAt + most + 160, outAt + most + 224).every((byte) => byte === 0x5a))
  return length === 0 ? null : bytes.slice(outAt, outAt + length)
}

function equal(actual: Uint8Array | null, expected: Uint8Array): void {
  assert.deepEqual(actual && Buffer.from(actual), Buffer.from(expected))
}

const words = fc.constantFrom('', 'a', 'the same sixteen ', 'another run of words ', '\0\0\0\0\0\0\0\0', 'x'.repeat(40), 'return null\n')
const text = fc
  .array(fc.oneof(words, fc.string({ maxLength: 20 })), { maxLength: 60 })
  .map((parts) => Buffer.from(parts.join(''), 'latin1'))

test('equals its twin, and makes the target', () => {
  fc.assert(
    fc.property(text, text, fc.nat(400), (base, added, at) => {
      const target = Buffer.concat([base.subarray(0, at), added, base.subarray(Math.min(at + 30, base.length))])
      for (const [from, to] of [
        [base, target],
        [target, base],
        [base, added],
      ] as const) {
        if (to.length === 0) continue
        const delta = encode(from, to)
        equal(delta, twin(from, to))
        equal(applied(from, delta as Uint8Array), to)
      }
    }),
    { numRuns: 400 },
  )
})

test('a delta of exactly the limit is made, a longer one is not', () => {
  const base = Uint8Array.from({ length: 2000 }, (_, i) => Math.imul(i, i) >>> 3)
  const target = Buffer.concat([base.subarray(700), Buffer.from('what is new'), base.subarray(100, 650)])
  const whole = twin(base, target)
  equal(encode(base, target, whole.length), whole)
  assert.equal(encode(base, target, whole.length - 1), null)
  fc.assert(
    fc.property(text, text, fc.nat(300), (from, to, most) => {
      if (to.length === 0) return
      const made = encode(from, to, most)
      if (made) assert.ok(made.length <= most)
      if (made) equal(made, twin(from, to))
    }),
  )
})

test('large objects: copies above 64 KiB, offsets of three bytes, changes far apart', () => {
  let seed = 7
  const base = Uint8Array.from({ length: 3 << 20 }, () => (seed = (Math.imul(seed, 1103515245) + 12345) >>> 0) >>> 24)
  const target = new Uint8Array(base)
  for (let at = 1000; at < target.length; at += 200_000) target[at] = (target[at] as number) ^ 1
  const moved = Buffer.concat([target.subarray(2 << 20), target.subarray(0, 2 << 20)])
  for (const to of [target, moved]) {
    const delta = encode(base, to) as Uint8Array
    assert.ok(delta.length < 1000, `${delta.length} bytes`)
    equal(applied(base, delta), to)
  }
})

test('what repeats itself takes no quadratic time, and is still right', () => {
  const period = Uint8Array.from({ length: 48 }, (_, i) => i * 5)
  const base = Uint8Array.from({ length: 1 << 20 }, (_, i) => period[i % 48] as number)
  const target = Uint8Array.from({ length: 1 << 20 }, (_, i) => (i % 5000 === 0 ? 0xee : (period[i % 48] as number)))
  equal(applied(base, encode(base, target) as Uint8Array), target)
  const zeros = new Uint8Array(1 << 20)
  assert.ok((encode(zeros, zeros.subarray(1)) as Uint8Array).length < 150)
})

test('bases and targets of a few bytes', () => {
  for (const [base, target] of [
    [0, 1],
    [15, 15],
    [16, 16],
    [17, 400],
    [400, 17],
  ] as const) {
    const from = Uint8Array.from({ length: base }, (_, i) => i)
    const to = Uint8Array.from({ length: target }, (_, i) => i)
    const delta = encode(from, to) as Uint8Array
    equal(delta, twin(from, to))
    equal(applied(from, delta), to)
  }
})
