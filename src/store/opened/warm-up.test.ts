// Engines that are checked ahead: only where something was opened, and once for all threads of a process.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { compileKernel } from '../../../kernels/index.ts'
import { makeLog, WorkerPool } from '../../base/index.ts'
import { contentHost, type ContentHost, pieces } from '../../../tests/support/content.ts'
import { sampleLayer } from '../../../tests/support/tar.ts'
import { mostUsed, sharedVectors } from '../replay/index.ts'
import type { StoreWorkerData } from '../worker.ts'
import { warmUp } from './warm-up.ts'

let host: ContentHost
before(async () => {
  host = await contentHost()
})
after(() => host.close())

test('engines are checked once for all threads, where something was opened', async () => {
  const data: StoreWorkerData = {
    bucket: { kind: 'filesystem', folder: join(host.folder, 'bucket') },
    kernel: compileKernel(),
    cacheMemoryBytes: 0,
    cacheDisk: null,
    vectors: sharedVectors(),
  }
  const pools = [data, data].map((one) => new WorkerPool({ entry: new URL('../worker.ts', import.meta.url), data: one, threads: 1 }))
  const [first, second] = pools.map((workers) => () => warmUp({ db: host.db.database, workers, log: makeLog('silent') }))
  assert.ok(first !== undefined && second !== undefined)
  try {
    assert.deepEqual([await first(), pools[0]?.counts.threads], [0, 0], 'no thread was started')
    const layer = gzipSync(sampleLayer(1))
    const expected = { algorithm: 'sha256', digest: createHash('sha256').update(layer).digest() } as const
    await host.store.uploads.receive(pieces(layer), { expected, limitBytes: 2 ** 30 })
    assert.equal(await host.store.openDue(), 1)
    assert.deepEqual([await first(), await second()], [mostUsed.length, 0])
  } finally {
    for (const pool of pools) await pool.close()
  }
})
