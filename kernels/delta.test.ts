// applyDelta against its twin, on made and on mutated deltas.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { kernelMemory } from '../tests/support/kernel-memory.ts'
import { DeltaStatus } from './kernel.ts'
import { applyDelta } from './twin/delta.ts'

const { kernel, bytes, place } = kernelMemory(32)
const OUT = 16 * 1024 * 1024

function apply(base: Uint8Array, instructions: Uint8Array, size: number): Uint8Array | number {
  const [at, from] = place(base, instructions) as [number, number]
  const out = kernel.heapBase() + OUT
  const status = kernel.applyDelta(at, base.length, from, from + instructions.length, out, size)
  return status === DeltaStatus.ok ? bytes.slice(out, out + size) : status
}

function copy(offset: number, size: number): number[] {
  const out = [0x80]
  for (let i = 0; i < 4; i++) {
    const byte = Math.floor(offset / 256 ** i) % 256
    if (byte === 0) continue
    out[0]! |= 1 << i
    out.push(byte)
  }
  for (let i = 0; i < 3; i++) {
    const byte = Math.floor(size / 256 ** i) % 256
    if (byte === 0 || size === 65536) continue
    out[0]! |= 16 << i
    out.push(byte)
  }
  return out
}

const instruction = fc.oneof(
  fc.tuple(fc.nat(70000), fc.integer({ min: 1, max: 70000 })).map(([offset, size]) => copy(offset, size)),
  fc.tuple(fc.nat(300), fc.integer({ min: 1, max: 300 })).map(([offset, size]) => copy(offset, size)),
  fc.array(fc.nat(255), { minLength: 1, maxLength: 127 }).map((some) => [some.length, ...some]),
)

test('equals its twin, whatever the instructions', () => {
  const base = Uint8Array.from({ length: 90000 }, (_, i) => (i * 7 + (i >> 8)) & 255)
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 90000 }),
      fc.array(instruction, { maxLength: 12 }),
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 2 }),
      fc.integer({ min: -2, max: 2 }),
      (baseSize, made, edits, lie) => {
        const some = base.subarray(0, baseSize)
        const instructions = Uint8Array.from(made.flat())
        let size = made.reduce((sum, [op, ...rest]) => sum + sizeOf(op!, rest), 0)
        if (edits.length > 0 && instructions.length > 0) for (const [at, value] of edits) instructions[at % instructions.length] = value
        else size = Math.max(0, size + (edits.length > 0 ? lie : 0))
        const expected = applyDelta(some, instructions, size)
        const actual = apply(some, instructions, size)
        if (typeof expected === 'number') assert.equal(actual, expected)
        else assert.deepEqual(Buffer.from(actual as Uint8Array), Buffer.from(expected))
      },
    ),
    { numRuns: 400 },
  )
})

function sizeOf(op: number, rest: readonly number[]): number {
  if (op < 128) return op
  let at = 0
  for (let i = 0; i < 4; i++) if (op & (1 << i)) at++
  let size = 0
  for (let i = 0; i < 3; i++) if (op & (16 << i)) size += rest[at++]! * 256 ** i
  return size || 65536
}

test('sizes in front', () => {
  const read = (...some: number[]) => {
    const at = place(Uint8Array.from(some))[0]!
    return [
      kernel.deltaHeader(at, at + some.length),
      kernel.deltaBaseSize.value,
      kernel.deltaResultSize.value,
      kernel.deltaStart.value - at,
    ]
  }
  assert.deepEqual(read(5, 0x83, 0x01), [DeltaStatus.ok, 5, 131, 3])
  assert.deepEqual(read(0xff, 0xff, 0xff, 0xff, 0x7f, 0), [DeltaStatus.ok, 2 ** 35 - 1, 0, 6])
  assert.equal(read(5)[0], DeltaStatus.header)
  assert.equal(read(5, 0x80)[0], DeltaStatus.header)
  assert.equal(read(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 1)[0], DeltaStatus.header)
})
