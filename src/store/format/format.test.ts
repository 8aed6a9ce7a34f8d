// Recipes and segments: what was written is read, and noise is refused as damaged.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import { concatBytes, CorruptError } from '../../base/index.ts'
import { noise } from '../../../tests/support/seeded.ts'
import { addRun, decodePortable, decodeRecipe, encodePortable, encodeRecipe, openRecipe, type Run, sealRecipe } from './recipe.ts'
import { type Block, Codec, encodeIndex, indexStart, SegmentIndex, trailerBytes } from './segment.ts'

const run = fc
  .record({
    segment: fc.nat(2 ** 31),
    first: fc.nat(5000),
    count: fc.integer({ min: 1, max: 2000 }),
    each: fc.integer({ min: 1, max: 2 ** 18 }),
  })
  .map(({ segment, first, count, each }): Run => ({ segment, first, count, sizeBytes: count * each }))

test('a recipe is read as it was written', () => {
  fc.assert(
    fc.property(fc.array(run, { maxLength: 50 }), (runs) => {
      const sizeBytes = runs.reduce((sum, one) => sum + one.sizeBytes, 0)
      assert.deepEqual(decodeRecipe(encodeRecipe(runs), sizeBytes), runs)
      assert.throws(() => decodeRecipe(encodeRecipe(runs), sizeBytes + 1), CorruptError)
    }),
  )
})

test('a recipe belongs to its digest', () => {
  const runs = [{ segment: 7, first: 1, count: 2, sizeBytes: 300 }]
  const digest = noise(1, 32)
  assert.deepEqual(openRecipe(digest, sealRecipe(digest, runs), 300), runs)
  assert.deepEqual(openRecipe(digest, sealRecipe(digest, []), 0), [])
  assert.throws(() => openRecipe(noise(2, 32), sealRecipe(digest, runs), 300), CorruptError)
  assert.throws(() => openRecipe(digest, new Uint8Array(), 0), CorruptError)
})

test('a run that goes on is one with the one before', () => {
  const runs: Run[] = []
  for (let at = 0; at < 10; at++) addRun(runs, { segment: at < 7 ? 3 : 4, first: at, count: 1, sizeBytes: 10 })
  assert.deepEqual(runs, [
    { segment: 3, first: 0, count: 7, sizeBytes: 70 },
    { segment: 4, first: 7, count: 3, sizeBytes: 30 },
  ])
  assert.ok(encodeRecipe(runs).length <= 10)
})

test('noise is no recipe, or another one; nothing but CorruptError is thrown', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(1000), (bytes, sizeBytes) => {
      for (const decode of [() => decodeRecipe(bytes, sizeBytes), () => decodePortable(bytes)]) {
        try {
          decode()
        } catch (error) {
          assert.ok(error instanceof CorruptError, String(error))
        }
      }
    }),
  )
})

test('a recipe with UUIDs is read as it was written', () => {
  fc.assert(
    fc.property(fc.array(fc.array(run, { minLength: 1, maxLength: 5 }), { maxLength: 5 }), (all) => {
      const contents = all.map((runs, at) => ({
        digest: noise(at, 32),
        sizeBytes: runs.reduce((sum, one) => sum + one.sizeBytes, 0),
        uuids: runs.map((_, n) => noise(n, 16)),
        runs: runs.map((one, n) => ({ ...one, segment: n })),
      }))
      const read = decodePortable(encodePortable(contents))
      assert.deepEqual(
        read.map(({ runs, sizeBytes }) => ({ runs, sizeBytes })),
        contents.map(({ runs, sizeBytes }) => ({ runs, sizeBytes })),
      )
      assert.deepEqual(
        read.map((one) => Buffer.from(one.digest)),
        contents.map((one) => Buffer.from(one.digest)),
      )
    }),
  )
})

function blockOf(seed: number, chunks: readonly number[]): Block {
  const bytes = chunks.map((size, at) => noise(seed + at, size))
  const stored = concatBytes(bytes)
  const hashes = concatBytes(bytes.map((one) => new Uint8Array(createHash('sha256').update(one).digest())))
  return { stored, codec: Codec.raw, sizeBytes: stored.length, crc: crc32(stored), hashes, sizes: Uint32Array.from(chunks) }
}

const shape = fc.array(fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 6 }), { maxLength: 6 })

function valueOf(blocks: readonly Block[]): { value: Uint8Array; index: Uint8Array } {
  const stored = blocks.map((block) => block.stored)
  const moves = [{ uuid: noise(4, 16), first: 1, count: 2, here: 3 }]
  const index = encodeIndex(
    blocks,
    stored.map((one) => one.length),
    [],
    moves,
  )
  return { value: concatBytes([...stored, index]), index }
}

test('a segment says where each chunk is', () => {
  fc.assert(
    fc.property(shape, fc.nat(7), (shapes, shift) => {
      const blocks = shapes.map((sizes, at) => blockOf(at * 10, sizes))
      const { value, index } = valueOf(blocks)
      assert.equal(indexStart(value.subarray(value.length - trailerBytes)), value.length - index.length)
      // wherever it lies in memory
      const shifted = new Uint8Array(index.length + shift)
      shifted.set(index, shift)
      const read = new SegmentIndex(shifted.subarray(shift))
      let ordinal = 0
      for (const [number, block] of blocks.entries()) {
        const place = read.block(number)
        assert.equal(Buffer.compare(value.subarray(place.offset, place.offset + place.storedBytes), block.stored), 0)
        for (const [n, size] of block.sizes.entries()) {
          assert.equal(read.blockOf(ordinal).number, number)
          assert.equal(read.size(ordinal), size)
          assert.equal(Buffer.compare(read.hash(ordinal), block.hashes.subarray(n * 32, n * 32 + 32)), 0)
          ordinal++
        }
      }
      assert.equal(read.chunkCount, ordinal)
      assert.throws(() => read.blockOf(ordinal), CorruptError)
      assert.equal(read.section('MOVE').length, 32)
    }),
  )
})

test('every flipped bit of an index is found', () => {
  const { index } = valueOf([blockOf(1, [50, 60]), blockOf(9, [70])])
  for (let at = 0; at < index.length; at++) {
    const damaged = new Uint8Array(index)
    damaged[at] = (damaged[at] as number) ^ (1 << (at % 8))
    assert.throws(() => new SegmentIndex(damaged), CorruptError, `byte ${at}`)
  }
  assert.throws(() => new SegmentIndex(index.subarray(1)), CorruptError)
  assert.throws(() => new SegmentIndex(new Uint8Array(3)), CorruptError)
})
