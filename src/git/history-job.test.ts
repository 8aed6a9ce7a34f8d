// Which parts of a history table are written anew when something comes behind them, and whose turn it is.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openTestRoom } from '../../tests/support/git-room.ts'
import { makeHistory } from '../../tests/support/history.ts'
import { temporaryFolder } from '../../tests/support/pack-indexing.ts'
import { UnavailableError, type WorkerPool } from '../base/index.ts'
import type { GitRoom } from './git-room.ts'
import { type HistoryJob, historyBuilder, partFor } from './history-job.ts'

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

test('a network that workers die of keeps no other from its table, and is not tried again and again', async () => {
  const rooms = await openTestRoom(temporaryFolder())
  try {
    for (const name of ['one', 'two', 'three']) await rooms.import(makeHistory(20), name)
    const tried: string[] = []
    const run: WorkerPool['run'] = async (kind, job, ...rest) => {
      const { networkId } = (job as HistoryJob).packs
      tried.push(networkId)
      if (networkId === tried[0]) throw new UnavailableError('worker', 'the worker thread ended')
      return await rooms.room.workers.run(kind, job, ...rest)
    }
    const room = Object.create(rooms.room, { workers: { value: { run } } }) as GitRoom
    const job = historyBuilder(room, 1000, 10)
    for (let i = 0; i < 2; i++) await job.run(new AbortController().signal)
    assert.equal(tried.length, 3)
    assert.equal(rooms.keyFiles('history').length, 2)
  } finally {
    await rooms.close()
  }
})
