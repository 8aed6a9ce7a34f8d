// The search of zlib's matcher against its twin: the same matches where few places are alike and where nearly all are, whatever it may look at.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { kernelMemory } from '../tests/support/kernel-memory.ts'
import { noise } from '../tests/support/seeded.ts'
import { ZlibMatch } from './twin/zlib-match.ts'

const { kernel, bytes: memory, place } = kernelMemory()

interface Case {
  readonly data: Uint8Array
  readonly kind: number
  readonly tries: number
  readonly nice: number
  readonly far: number
  /** Of a level that leaves places out. */
  readonly isGreedy: boolean
  readonly isExact: boolean
}

/** Goes through the bytes as a matcher does: searches, now and then a second time where it has just searched, and goes on behind the match, or beside it. */
function compare({ data, kind, tries, nice, far, isGreedy, isExact }: Case): void {
  const [tables, bytes] = place(new Uint8Array(kernel.zlibTableBytes()), data) as [number, number]
  memory.fill(0, tables, tables + kernel.zlibTableBytes())
  const twin = new ZlibMatch(data, kind)
  const end = data.length
  const chosen = noise(data.length, end)
  let noted = 0
  for (let index = 0; index + 3 <= end; ) {
    const luck = chosen[index] as number
    for (const least of luck % 4 === 0 ? [2, 3 + (luck >> 4), 2] : [2]) {
      for (let next = noted; next <= index; next++) twin.note(next, end)
      const expected = twin.search({ index, end, least, tries, nice, far, isExact })
      const isEachNoted = !isGreedy && kind !== 2
      const length = kernel.zlibMatch(bytes, tables, 0, index, end, noted, kind, least, tries, nice, far, isEachNoted, isExact)
      noted = Math.max(noted, index + 1)
      const found = length === least ? null : { length, distance: kernel.zlibDistance.value }
      assert.deepEqual(found, expected, `at ${index}, more than ${least}`)
    }
    const passed = luck % 3 === 0 ? 1 + (luck >> 2) : 1
    index += passed
    if (isGreedy && passed > 20) noted = index
    else if (index + 4 <= end) {
      for (let next = noted; next < index; next++) twin.note(next, end)
      kernel.zlibNote(bytes, tables, 0, noted, index, end, kind)
      noted = index
    }
  }
}

const settings = {
  kind: fc.nat(2),
  tries: fc.constantFrom(1, 2, 4, 32, 1024, 4096),
  nice: fc.constantFrom(8, 32, 258),
  far: fc.constantFrom(4096, 32_768),
  isGreedy: fc.boolean(),
  isExact: fc.boolean(),
}

test('the same matches as the twin: from noise to runs', () => {
  const data = fc
    .record({ seed: fc.nat(), sizeBytes: fc.nat(3000), values: fc.integer({ min: 1, max: 256 }) })
    .map(({ seed, sizeBytes, values }) => noise(seed, sizeBytes).map((byte) => byte % values))
  fc.assert(fc.property(fc.record({ data, ...settings }), compare), { numRuns: 300 })
})

test('the same where long pieces come again, nearer and farther than a window', () => {
  const data = fc
    .record({
      seed: fc.nat(),
      pieces: fc.array(fc.record({ from: fc.nat(), sizeBytes: fc.integer({ min: 3, max: 400 }), fresh: fc.nat(30) }), {
        minLength: 50,
        maxLength: 300,
        size: 'max',
      }),
    })
    .map(({ seed, pieces }) => {
      const fresh = noise(seed, 20_000)
      const made = [...fresh.subarray(0, 2000)]
      for (const piece of pieces) {
        const from = piece.from % made.length
        for (let i = 0; i < piece.sizeBytes; i++) made.push(made[from + i] as number)
        made.push(...fresh.subarray(piece.from % 19_000, (piece.from % 19_000) + piece.fresh))
      }
      return Uint8Array.from(made)
    })
  fc.assert(fc.property(fc.record({ data, ...settings }), compare), { numRuns: 40 })
})

test('the farthest place there may be: zlib takes it only where it is the first of its hash', () => {
  const mostDistance = 32_768 - 262
  for (const isFirst of [true, false]) {
    const data = noise(7, mostDistance + 100)
    const text = data.slice(10, 30)
    data.set(text, 10 + mostDistance)
    // nearer, with the same hash, and shorter
    if (!isFirst) data.set(text.subarray(0, 4), 20_000)
    for (const isExact of [true, false]) {
      const [tables, bytes] = place(new Uint8Array(kernel.zlibTableBytes()), data) as [number, number]
      memory.fill(0, tables, tables + kernel.zlibTableBytes())
      const length = kernel.zlibMatch(bytes, tables, 0, 10 + mostDistance, data.length, 0, 0, 2, 128, 258, 4096, true, isExact)
      const isShort = isExact && !isFirst
      assert.equal(kernel.zlibDistance.value, isShort ? 10 + mostDistance - 20_000 : mostDistance)
      assert.ok(isShort ? length === 4 : length >= 20, `${length} bytes`)
    }
  }
})
