// crc32 and adler32 against their twins and zlib.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { crc32 as zlibCrc32 } from 'node:zlib'
import fc from 'fast-check'
import { kernelMemory } from '../tests/support/kernel-memory.ts'
import { adler32, crc32 } from './twin/checksums.ts'

const { kernel, bytes, place } = kernelMemory()

test('checksums equal their twins, in one piece and in two', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 6000, size: 'max' }), fc.double({ min: 0, max: 1, noNaN: true }), (data, part) => {
      const at = place(data)[0]!
      const split = Math.floor(data.length * part)
      assert.equal(kernel.crc32(0, at, data.length) >>> 0, crc32(0, data))
      assert.equal(kernel.crc32(kernel.crc32(0, at, split), at + split, data.length - split) >>> 0, zlibCrc32(data))
      assert.equal(kernel.adler32(1, at, data.length) >>> 0, adler32(1, data))
      assert.equal(kernel.adler32(kernel.adler32(1, at, split), at + split, data.length - split) >>> 0, adler32(1, data))
    }),
    { numRuns: 200 },
  )
})

test('adler32 holds where its sums are largest', () => {
  const size = 4 * 1024 * 1024
  const at = place(new Uint8Array(size).fill(255))[0]!
  assert.equal(kernel.adler32(0xfff0fff0, at, size) >>> 0, adler32(0xfff0fff0, bytes.subarray(at, at + size)))
})
