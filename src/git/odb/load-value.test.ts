// Values read into shared memory: the same bytes and hash from a bucket that is near and from one that is far.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { freshKey } from '../../../tests/support/bucket-suite.ts'
import { noise } from '../../../tests/support/seeded.ts'
import { CorruptError, systemClock, systemRandomness } from '../../base/index.ts'
import { makeBlockReader } from '../../bucket/index.ts'
import { FilesystemBucket } from '../../bucket/filesystem.ts'
import { MemoryBucket } from '../../bucket/memory.ts'
import { loadValue } from './load-value.ts'

const surroundings = { clock: systemClock, randomness: systemRandomness }
let folder: string
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stemma-load-value-'))
})
after(async () => {
  await rm(folder, { recursive: true })
})

for (const kind of ['near', 'far'] as const) {
  test(`the end of a ${kind} value is read and hashed, and a short one is told`, async () => {
    const near = new FilesystemBucket(folder, systemClock, systemRandomness)
    if (kind === 'near') await near.prepare()
    const bucket = kind === 'near' ? near : new MemoryBucket(folder)
    const reader = makeBlockReader(bucket, { ...surroundings, memoryBytes: 1 << 20, disk: null })
    const value = noise(7, (5 << 20) + 333)
    const key = freshKey()
    await bucket.put(key, value)
    for (const from of [0, 8, (3 << 20) + 8, value.length - 40]) {
      const { bytes, sha256 } = await loadValue(reader, key, from, value.length - from)
      assert.ok(bytes instanceof SharedArrayBuffer)
      assert.ok(Buffer.from(bytes).equals(value.subarray(from)))
      assert.deepEqual(
        Buffer.from(sha256),
        createHash('sha256')
          .update(value.subarray(from, value.length - 32))
          .digest(),
      )
    }
    await assert.rejects(loadValue(reader, key, 8, value.length), CorruptError)
    await assert.rejects(loadValue(reader, freshKey(), 0, 100), CorruptError)
    await reader.close()
  })
}
