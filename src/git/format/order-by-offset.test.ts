// The order of entries by offset: as a comparison sort finds it, for small and large packs.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { orderByOffset } from './order-by-offset.ts'

function expected(offsets: readonly number[]): number[] {
  return offsets.map((_, i) => i).sort((a, b) => (offsets[a] as number) - (offsets[b] as number))
}

/** Enough of them that they are not just compared. */
const many = Array.from({ length: 3000 }, (_, i) => 2 ** 47 + i * 7)

test('the same order as a comparison sort', () => {
  const offset = fc.oneof(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 0, max: 2 ** 20 }), fc.integer({ min: 0, max: 2 ** 45 }))
  fc.assert(
    fc.property(fc.uniqueArray(offset, { maxLength: 200 }), (offsets) => {
      assert.deepEqual([...orderByOffset(Float64Array.from(offsets))], expected(offsets))
      assert.deepEqual([...orderByOffset(Float64Array.from([...offsets, ...many]))], expected([...offsets, ...many]))
    }),
    { numRuns: 40 },
  )
})

test('offsets on both sides of every digit', () => {
  const offsets = [2 ** 32 + 1, 2 ** 32, 2 ** 32 - 1, 2 ** 16, 2 ** 16 - 1, 2 ** 16 + 1, 0, 2 ** 48, 2 ** 48 - 1]
  const all = [...offsets, ...many]
  assert.deepEqual([...orderByOffset(Float64Array.from(all))], expected(all))
  const small = all.map((_, i) => (i * 2_654_435_761) % 2 ** 32)
  assert.deepEqual([...orderByOffset(Uint32Array.from(small))], expected(small))
  assert.deepEqual([...orderByOffset(Uint32Array.of(65536, 12, 4294967295, 65535))], [1, 3, 0, 2])
  assert.deepEqual([...orderByOffset(new Float64Array(0))], [])
})
