// Parts of a stream: cut at their borders, and inside as if each were content by itself.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compileKernel } from '../../kernels/index.ts'
import { noise } from '../../tests/support/seeded.ts'
import { Cutter } from './cutter.ts'

const cutter = new Cutter(compileKernel())

function sizesOf(
  parts: readonly Uint8Array[],
  options: { readonly isAnnounced: boolean; readonly isCut?: boolean; readonly missing?: number },
): number[] {
  cutter.reset()
  if (options.isAnnounced) for (const part of parts) cutter.part(part.length, options.isCut)
  const sizes: number[] = []
  const cut = (isLast: boolean) => {
    sizes.push(...cutter.cut(isLast).map((one) => one.sizeBytes))
    cutter.drop()
  }
  for (const part of parts) {
    const bytes = part.subarray(0, part.length - (options.missing ?? 0))
    for (let at = 0; at < bytes.length; ) {
      at += cutter.fill(bytes.subarray(at, at + 100_000))
      if (cutter.isFull) cut(false)
    }
  }
  if (options.missing !== undefined) cutter.cutShort(options.missing)
  cut(true)
  return sizes
}

const isAnnounced = true

test('small parts are a chunk each, wherever they stand', () => {
  const parts = [1, 500, 1 << 16, 900_000, 3, (1 << 20) - 1, 2_000_000, 7].map((size, n) => noise(n, size))
  const sizes = sizesOf(parts, { isAnnounced })
  const large = sizesOf([parts[6] as Uint8Array], { isAnnounced: false })
  assert.ok(large.length > 4)
  assert.deepEqual(sizes, [1, 500, 1 << 16, 900_000, 3, (1 << 20) - 1, ...large, 7])
})

test('a large part has the chunks that it has as content, also where a batch ends within it', () => {
  const before = noise(1, 3_900_000)
  const part = noise(2, 9_000_000)
  assert.deepEqual(
    sizesOf([before, part], { isAnnounced }).slice(sizesOf([before], { isAnnounced }).length),
    sizesOf([part], { isAnnounced: false }),
  )
})

test('a small part that is to be cut is cut', () => {
  assert.ok(sizesOf([noise(3, 600_000)], { isAnnounced, isCut: true }).length > 2)
})

test('a part that ends early is what came of it', () => {
  assert.deepEqual(sizesOf([noise(4, 1000)], { isAnnounced, missing: 900 }), [100])
  assert.deepEqual(sizesOf([noise(4, 1000)], { isAnnounced, missing: 1000 }), [])
})
