// A history table in parts: joined, read again only where something is new, and as far as it can be read.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { freshKey } from '../../../tests/support/bucket-suite.ts'
import { CorruptError, systemClock, systemRandomness } from '../../base/index.ts'
import { type Key, makeBlockReader } from '../../bucket/index.ts'
import { MemoryBucket } from '../../bucket/memory.ts'
import { decodeHistory, encodeHistory, type HistoryParts } from '../format/history-table.ts'
import { loadHistory } from './load-history.ts'

let folder: string
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stemma-load-history-'))
})
after(async () => {
  await rm(folder, { recursive: true })
})

/** One pack for each commit, which adds its tree. */
function table(commits: number): HistoryParts {
  const numbers = (pick: (i: number) => number, count = commits) => Uint32Array.from({ length: count }, (_, i) => pick(i))
  return {
    format: 'sha1',
    packs: Array.from({ length: commits }, (_, i) => ({ id: i + 1, count: 2 })),
    commits: numbers((i) => i * 2),
    trees: numbers((i) => i * 2 + 1),
    times: Float64Array.from({ length: commits }, (_, i) => i),
    firstParents: numbers((i) => Math.max(0, i - 1), commits + 1),
    parents: numbers((i) => i, commits - 1),
    firstAdded: numbers((i) => i, commits + 1),
    added: numbers((i) => i * 2 + 1),
    older: numbers((i) => i),
    tags: new Uint32Array(0),
  }
}

test('parts are joined; a new one is read alone; what is behind one that is gone or goes on elsewhere is left out', async () => {
  const bucket = new MemoryBucket(folder)
  const surroundings = { clock: systemClock, randomness: systemRandomness }
  const reader = makeBlockReader(bucket, { ...surroundings, memoryBytes: 1 << 20, disk: null })
  const end = (commits: number) => ({ packs: commits, rows: commits, tags: 0 })
  const store = async (commits: number, before: number) => {
    const key: Key = freshKey()
    const bytes = encodeHistory(table(commits), end(before))
    await bucket.put(key, bytes)
    return { key, size_bytes: bytes.length }
  }
  const [first, second, third] = [await store(5, 0), await store(7, 5), await store(12, 7)]
  const failures: [unknown, string][] = []
  const load = (rows: readonly { key: string; size_bytes: number }[], previous: Parameters<typeof loadHistory>[2] = null) =>
    loadHistory(reader, rows, previous, (...failure) => failures.push(failure))
  const read = (handle: Awaited<ReturnType<typeof load>>) => {
    const { prev, ...parts } = decodeHistory(new Uint8Array(handle?.bytes ?? new SharedArrayBuffer(0)))
    assert.deepEqual(prev, end(0))
    return parts
  }
  const same = (parts: HistoryParts, commits: number) => {
    const whole = table(commits)
    assert.deepEqual(parts.packs, whole.packs)
    for (const name of ['commits', 'trees', 'times', 'firstParents', 'parents', 'firstAdded', 'added', 'older', 'tags'] as const)
      assert.deepEqual(Array.from(parts[name]), Array.from(whole[name]), name)
  }
  assert.equal(await load([]), null)
  const two = await load([first, second])
  same(read(two), 7)
  assert.equal(await load([first, second], two), two)
  await bucket.delete(first.key) // not asked for again
  const three = await load([first, second, third], two)
  same(read(three), 12)
  assert.deepEqual(
    three?.parts.map((part) => part.end),
    [end(5), end(7), end(12)],
  )
  assert.equal(failures.length, 0)
  assert.equal(await load([first, second]), null)
  const other = await store(6, 0)
  same(read(await load([other, second])), 6)
  assert.deepEqual(
    failures.map((failure) => failure[1]),
    [first.key, second.key],
  )
  assert.ok(failures[1]?.[0] instanceof CorruptError)
})
