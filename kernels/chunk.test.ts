// The chunker against its twin, and what FastCDC is for: cuts that stand again behind what was changed.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { kernelMemory } from '../tests/support/kernel-memory.ts'
import { noise } from '../tests/support/seeded.ts'
import { chunkSize } from './twin/chunk.ts'

const { kernel, place } = kernelMemory()

function sizes(data: Uint8Array, least: number, bits: number, most: number): number[] {
  const at = place(data)[0]!
  const found: number[] = []
  for (let done = 0; done < data.length; ) {
    const size = kernel.chunkSize(at + done, data.length - done, least, bits, most)
    assert.ok(size > 0 && size <= most && (size >= least || done + size === data.length), `a chunk of ${size}`)
    found.push(size)
    done += size
  }
  return found
}

function twinSizes(data: Uint8Array, least: number, bits: number, most: number): number[] {
  const found: number[] = []
  for (let done = 0; done < data.length; ) {
    const size = chunkSize(data.subarray(done), least, bits, most)
    found.push(size)
    done += size
  }
  return found
}

/** Bytes in which each value is as likely as the seed says: from noise to runs of zeros. */
const content = fc.record({ seed: fc.nat(), sizeBytes: fc.nat(60_000), values: fc.integer({ min: 1, max: 256 }) })

test('the same chunks as the twin', () => {
  fc.assert(
    fc.property(content, fc.constantFrom(6, 8, 10), ({ seed, sizeBytes, values }, bits) => {
      const data = noise(seed, sizeBytes).map((byte) => byte % values)
      const normal = 2 ** bits
      assert.deepEqual(sizes(data, normal / 4, bits, normal * 4), twinSizes(data, normal / 4, bits, normal * 4))
    }),
    { numRuns: 200 },
  )
})

test('the same at the sizes that the store uses', () => {
  const data = noise(7, 8 << 20)
  const found = sizes(data, 16 << 10, 16, 256 << 10)
  assert.deepEqual(found, twinSizes(data, 16 << 10, 16, 256 << 10))
  const mean = data.length / found.length
  assert.ok(mean > 48 << 10 && mean < 96 << 10, `chunks of ${mean} bytes on the average`)
})

test('where nothing is cut, chunks are as large as they may be', () => {
  assert.deepEqual(sizes(new Uint8Array(1000), 16, 6, 256), [256, 256, 256, 232])
  assert.deepEqual(sizes(new Uint8Array(0), 16, 6, 256), [])
})

test('an inserted byte changes few chunks', () => {
  const before = noise(3, 4 << 20)
  const after = new Uint8Array(before.length + 1)
  after.set(before.subarray(0, 1 << 20))
  after[1 << 20] = 99
  after.set(before.subarray(1 << 20), (1 << 20) + 1)
  const ends = (data: Uint8Array): Set<number> => {
    let at = data.length
    return new Set(
      sizes(data, 16 << 10, 16, 256 << 10)
        .toReversed()
        .map((size) => {
          at -= size
          return data.length - at
        }),
    )
  }
  const old = ends(before)
  const fresh = [...ends(after)].filter((end) => !old.has(end) && end < 3 << 20)
  assert.ok(fresh.length <= 3, `${fresh.length} new cuts behind the change`)
})
