// Stretches of a pack: the CRCs that are joined from entries are those of the bytes; what is encoded is read back.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import { CorruptError } from '../../base/index.ts'
import { seededBytes } from '../../../tests/support/random.ts'
import { decodeChecks, encodeChecks, makeChecks, stretchBytes } from './pack-checks.ts'

test('stretches cover all entries, in order, each with the CRC of its bytes', () => {
  const sizes = fc.array(fc.oneof(fc.integer({ min: 1, max: 400 }), fc.integer({ min: 1, max: 3 * stretchBytes })), { maxLength: 12 })
  fc.assert(
    fc.property(sizes, fc.integer(), (entries, seed) => {
      const pack = seededBytes(seed, 12 + entries.reduce((sum, size) => sum + size, 0))
      const ends = entries.map((_, i) => 12 + entries.slice(0, i + 1).reduce((sum, size) => sum + size, 0))
      const starts = [12, ...ends].slice(0, entries.length)
      // positions are in another order than entries
      const order = Uint32Array.from(entries, (_, i) => entries.length - 1 - i)
      const offsets = Float64Array.from(starts.toReversed())
      const crcs = Uint32Array.from(starts, (start, i) => crc32(pack.subarray(start, ends[i]))).reverse()
      const checks = makeChecks({ offsets, crcs, entriesEnd: pack.length }, order, Uint8Array.of(1, 2, 3))
      let from = 12
      for (const [i, end] of checks.ends.entries()) {
        assert.ok(ends.includes(end))
        assert.equal(checks.crcs[i], crc32(pack.subarray(from, end)))
        assert.ok(end - from >= stretchBytes || i === checks.ends.length - 1)
        from = end
      }
      assert.equal(from, pack.length)
      assert.deepEqual(decodeChecks(encodeChecks(checks), 3), checks)
    }),
    { numRuns: 25 },
  )
})

test('a section of a length that none can have is corrupt', () => {
  assert.throws(() => decodeChecks(new Uint8Array(21), 20), CorruptError)
  assert.throws(() => decodeChecks(new Uint8Array(4), 20), CorruptError)
})
