// The order in which compaction moves chunks: contents with old chunks in common one behind the other, each chunk named.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { moveOrder } from './compact-order.ts'

const run = (segment: number, first: number, count = 1) => ({ segment, first, count, sizeBytes: count * 10 })

function moves(sources: readonly number[], contents: Parameters<typeof moveOrder>[1]): number[][] {
  const order = moveOrder(sources, contents)
  return Array.from({ length: order.length / 3 }, (_, n) => [...order.subarray(n * 3, n * 3 + 3)])
}

test('versions that took turns come side by side', () => {
  // of two things: what all versions have, and something of their own
  const contents = [
    [run(1, 0, 3), run(1, 3)],
    [run(2, 0, 2), run(2, 2)],
    [run(1, 0, 3), run(3, 0)],
    [run(2, 0, 2), run(4, 0)],
    [run(5, 0), run(1, 0, 3)],
  ]
  assert.deepEqual(moves([1, 2, 3, 4, 5], contents), [
    [0, 0, 3],
    [0, 3, 1],
    [0, 0, 3],
    [2, 0, 1],
    [4, 0, 1],
    [0, 0, 3],
    [1, 0, 2],
    [1, 2, 1],
    [1, 0, 2],
    [3, 0, 1],
  ])
})

test('also where what they have in common stays where it is', () => {
  const contents = [[run(1, 0), run(7, 0)], [run(2, 0), run(7, 1)], [run(1, 0), run(8, 0)], []]
  assert.deepEqual(moves([7, 8], contents), [
    [0, 0, 1],
    [1, 0, 1],
    [0, 1, 1],
  ])
})
