// The failing bucket fails by its seed alone, and only in the ways that a bucket may.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { UnavailableError } from '../../src/base/index.ts'
import { MemoryBucket, parseKey } from '../../src/bucket/index.ts'
import { assertSame, bucketSuite, collect, spool } from './bucket-suite.ts'
import { type BucketFault, FailingBucket } from './failing-bucket.ts'
import { noise } from './seeded.ts'

let folder: string
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stemma-failing-bucket-'))
})
after(async () => {
  await rm(folder, { recursive: true })
})

bucketSuite('one that is told to fail, and does not', async () => {
  const place = await mkdtemp(join(tmpdir(), 'stemma-failing-bucket-'))
  const inner = new MemoryBucket(place, { partSizeBytes: 1 << 20 })
  return {
    bucket: new FailingBucket(inner, { seed: 1, probability: 0 }),
    unfinished: async () => [...inner.unfinished],
    cut: async (key, sizeBytes) => inner.cut(key, sizeBytes),
    dispose: () => rm(place, { recursive: true }),
  }
})

async function work(seed: number, faults?: readonly BucketFault[]): Promise<string[]> {
  const inner = new MemoryBucket(folder, { partSizeBytes: 1 << 16 })
  const bucket = new FailingBucket(inner, {
    seed,
    probability: 0.4,
    stallMs: 2,
    mostDelayMs: 2,
    ...(faults === undefined ? {} : { faults }),
  })
  for (let at = 0; at < 40; at++) {
    const key = parseKey(`test/${at}`)
    const bytes = noise(at, (at % 4) * 40_000 + 10)
    const range = { offset: 0, sizeBytes: bytes.length }
    const path = await spool(inner, bytes)
    try {
      if (at % 2 === 0) await bucket.put(key, bytes)
      else await bucket.uploadFile(key, path).complete(bytes.length)
      assertSame(await inner.get(key, range), bytes)
      assertSame(await bucket.get(key, range), bytes)
      assertSame(await collect(bucket.stream(key, range)), bytes)
    } catch (error) {
      assert.ok(error instanceof UnavailableError, String(error))
    }
    if (at % 2 === 1) assert.equal(existsSync(path), false)
  }
  assert.equal(inner.unfinished.size, 0)
  return bucket.history
}

test('the same seed gives the same faults, another one others', async () => {
  const first = await work(5)
  assert.ok(first.length > 10)
  assert.deepEqual(await work(5), first)
  assert.notDeepEqual(await work(6), first)
})

for (const fault of ['refuse', 'truncate', 'lose', 'stall', 'delay'] as const) {
  test(`${fault} alone`, async () => {
    const history = await work(7, [fault])
    assert.ok(history.length > 0 && history.every((entry) => entry.endsWith(fault)))
  })
}
