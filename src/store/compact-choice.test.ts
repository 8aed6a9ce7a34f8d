// What one compaction takes at once.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Candidate, chooseBatch, mostTailBytes } from './compact-choice.ts'
import { segmentBytes, tailBytes } from './sizes.ts'

const tail = (sizeBytes: number, live: number | null, id = 0) => ({
  id,
  size_bytes: sizeBytes,
  chunk_count: 100,
  live_chunks: live,
  is_tail: true,
})
const segment = (sizeBytes: number, live: number | null) => ({ ...tail(sizeBytes, live), is_tail: false })
const sum = (rows: readonly Candidate[]) => rows.reduce((bytes, row) => bytes + row.size_bytes, 0)

test('nearly dead tails are taken by what they take in memory, and all in the end', () => {
  let left = Array.from({ length: 2000 }, (_, id) => tail(tailBytes, 1, id))
  let batches = 0
  for (let chosen = chooseBatch(left); chosen.length > 0; chosen = chooseBatch(left)) {
    assert.ok(sum(chosen) <= mostTailBytes, `${sum(chosen)} bytes at once`)
    const taken = new Set(chosen.map(({ id }) => id))
    left = left.filter(({ id }) => !taken.has(id))
    batches++
  }
  assert.ok(sum(left) < 8 << 20)
  assert.ok(batches > 10)
})

test('live ones by what they make together', () => {
  const chosen = chooseBatch(Array.from({ length: 500 }, () => tail(tailBytes, null)))
  assert.equal(sum(chosen), segmentBytes)
  const half = chooseBatch([segment(segmentBytes, 40), segment(segmentBytes, 40), segment(segmentBytes, 40)])
  assert.equal(half.length, 2)
})

test('what is not worth it is left', () => {
  assert.deepEqual(chooseBatch([tail(tailBytes, null), tail(tailBytes, 50), segment(1 << 20, 60)]), [])
  assert.equal(chooseBatch([tail(tailBytes, null), segment(1 << 20, 49)]).length, 2)
  assert.equal(chooseBatch(Array.from({ length: 512 }, () => tail(100, null))).length, 512)
  assert.deepEqual(chooseBatch([]), [])
})
