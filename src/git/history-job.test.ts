// Which parts of a history table are written anew when something comes behind them.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { partFor } from './history-job.ts'

const ends = (...rows: readonly number[]) => rows.map((sum, i) => ({ packs: i + 1, rows: sum, tags: 0 }))

test('a part goes on behind what has twice its commits, and takes the place of less', () => {
  assert.equal(partFor([], 100), 0)
  assert.equal(partFor(ends(1000), 1500), 1)
  assert.equal(partFor(ends(1000), 1501), 0)
  assert.equal(partFor(ends(10_000, 10_900), 11_000), 2)
  assert.equal(partFor(ends(10_000, 10_300), 10_500), 1)
  assert.equal(partFor(ends(10_000, 15_000), 18_000), 0)
})

test('growing by a little for long, the parts stay few, and a commit is written a few times', () => {
  let parts: { packs: number; rows: number; tags: number }[] = []
  let written = 0
  for (let rows = 500; rows <= 500_000; rows += 500) {
    const part = partFor(parts, rows)
    written += rows - (parts[part - 1]?.rows ?? 0)
    parts = [...parts.slice(0, part), { packs: 0, rows, tags: 0 }]
    assert.ok(parts.length <= 9, `${parts.length} parts`)
  }
  assert.ok(written < 5.1 * 500_000, `${written / 500_000} times`)
})
