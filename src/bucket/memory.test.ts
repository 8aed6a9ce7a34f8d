// The memory twin keeps the promises of a bucket.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bucketSuite } from '../../tests/support/bucket-suite.ts'
import { MemoryBucket } from './memory.ts'

bucketSuite('memory', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'stemma-memory-bucket-'))
  const bucket = new MemoryBucket(folder, { partSizeBytes: 1 << 20 })
  return {
    bucket,
    unfinished: async () => [...bucket.unfinished],
    cut: async (key, sizeBytes) => bucket.cut(key, sizeBytes),
    dispose: () => rm(folder, { recursive: true }),
  }
})
