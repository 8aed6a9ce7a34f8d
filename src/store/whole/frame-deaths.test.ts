// What becomes of uploads whose thread dies in the middle of a frame, whose store is closed, whose client leaves: nothing stays of what was not acknowledged, and the next one works.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { compileKernel } from '../../../kernels/index.ts'
import { WorkerPool } from '../../base/index.ts'
import { sql } from '../../db/index.ts'
import { contentHost, type ContentHost, pieces, read, sha256 } from '../../../tests/support/content.ts'
import { noise } from '../../../tests/support/seeded.ts'
import type { ContentUploads, ExpectedDigest, SegmentStore } from '../index.ts'
import { sharedVectors } from '../replay/index.ts'

let host: ContentHost
let workers: WorkerPool
let store: SegmentStore
let uploads: ContentUploads
const left = new Int32Array(new SharedArrayBuffer(4))
const crashes: unknown[] = []
const limitBytes = 2 ** 40

before(async () => {
  host = await contentHost()
  workers = new WorkerPool({
    entry: new URL('./frame-deaths.test-worker.ts', import.meta.url),
    data: {
      bucket: { kind: 'filesystem', folder: `${host.folder}/bucket` },
      kernel: compileKernel(),
      cacheMemoryBytes: 0,
      cacheDisk: null,
      vectors: sharedVectors(),
      left: left.buffer,
    },
    threads: 1,
    onCrash: (error) => crashes.push(error),
  })
  store = host.another(host.bucket, host.db.database, { workers })
  uploads = store.uploads
})
after(async () => {
  await host?.close()
  await workers?.close()
})

function expected(bytes: Uint8Array): ExpectedDigest {
  return { algorithm: 'sha256', digest: createHash('sha256').update(bytes).digest() }
}

/** A frame is written in pieces of 64 KiB. */
function dieInAFrame(): void {
  Atomics.store(left, 0, 8)
}

/** Keys, files on their way, and rows that tell of them. */
async function leftovers(): Promise<readonly unknown[]> {
  const found: unknown[] = readdirSync(host.bucket.spoolFolder)
  const named = sql<{ key: string }>`select key from upload_intent union all select key from key_deletion`
  found.push(...(await named.execute(host.db.database.queries)).rows)
  const { rows } = await sql<{ uuid: string }>`select uuid::text as uuid from whole_part`.execute(host.db.database.queries)
  for await (const { key } of host.bucket.list('whole/')) if (!rows.some(({ uuid }) => key.endsWith(uuid))) found.push(key)
  return found
}

async function assertStored(bytes: Uint8Array): Promise<void> {
  const got = await read(host.store, sha256(bytes))
  assert.ok(got !== null && Buffer.compare(got, bytes) === 0)
}

test('a thread that dies in the middle of a frame fails its uploads, of which nothing stays; the next ones get a new thread', async () => {
  const [bytes, beside] = [noise(1, 4_000_000), noise(2, 4_000_000)]
  const receive = (what: Uint8Array) => uploads.receive(pieces(what), { expected: expected(what), limitBytes })
  dieInAFrame()
  const ended = await Promise.allSettled([receive(bytes), receive(beside)])
  for (const one of ended) {
    assert.equal(one.status, 'rejected')
    assert.equal(one.reason.code, 'worker')
    assert.match(one.reason.cause.message, /out of luck/)
  }
  assert.equal(crashes.length, 1)
  assert.deepEqual(await leftovers(), [])
  assert.equal(await store.stat(sha256(bytes)), null)
  for (const one of [bytes, beside]) {
    await receive(one)
    await assertStored(one)
  }
  assert.deepEqual(await leftovers(), [])
})

test('an upload in parts whose thread dies keeps what was acknowledged, and goes on', async () => {
  const bytes = noise(3, 6_000_000)
  const { id } = await uploads.begin({ scope: 'a' })
  const append = (from: number, to: number) =>
    uploads.append(id, 'a', { source: pieces(bytes.subarray(from, to)), offset: from, limitBytes })
  await append(0, 2_000_000)
  dieInAFrame()
  await assert.rejects(append(2_000_000, 5_000_000), { code: 'worker' })
  assert.equal((await uploads.find(id, 'a'))?.sizeBytes, 2_000_000)
  assert.deepEqual(await leftovers(), [])
  await append(2_000_000, 5_000_000)
  // the hashes died with the thread: what is there is read back, and the thread may die while it is
  const last = () => ({ source: pieces(bytes.subarray(5_000_000)), offset: 5_000_000 })
  const finish = () => uploads.finish(id, 'a', { expected: expected(bytes), last: last(), limitBytes })
  dieInAFrame()
  const more = uploads.receive(pieces(noise(4, 4_000_000)), { limitBytes })
  const [finished] = await Promise.allSettled([finish(), assert.rejects(more, { code: 'worker' })])
  if (finished.status === 'rejected') {
    assert.equal(finished.reason.code, 'worker')
    assert.ok(await finish())
  }
  await assertStored(bytes)
  assert.deepEqual(await leftovers(), [])
})

test('a store that is closed ends what is arriving, when its frame is done: nothing stays', async () => {
  for (const own of [{}, { workers }]) {
    const closing = host.another(host.bucket, host.db.database, own)
    let closed: Promise<void> | undefined
    const bytes = noise(5, 6_000_000)
    const source = async function* (): AsyncGenerator<Uint8Array> {
      yield* pieces(bytes.subarray(0, 3_000_000))
      closed = closing.close()
      yield* pieces(bytes.subarray(3_000_000))
    }
    await assert.rejects(closing.uploads.receive(source(), { limitBytes }), { code: 'worker', message: 'the server is stopping' })
    await closed
    assert.deepEqual(await leftovers(), [])
    await assert.rejects(closing.uploads.receive(pieces(bytes), { limitBytes }), { code: 'worker', message: 'the server is stopping' })
    assert.deepEqual(await leftovers(), [])
  }
})

test('a client that leaves while frames are under way: nothing stays, and the thread goes on', async () => {
  const bytes = noise(6, 4_000_000)
  const died = crashes.length
  for (const cut of [1_000_000, 1_100_000, 3_000_000]) {
    const source = async function* (): AsyncGenerator<Uint8Array> {
      yield* pieces(bytes.subarray(0, cut))
      throw new Error('cut')
    }
    await assert.rejects(uploads.receive(source(), { expected: expected(bytes), limitBytes }), /cut/)
    assert.deepEqual(await leftovers(), [])
  }
  await uploads.receive(pieces(bytes), { expected: expected(bytes), limitBytes })
  await assertStored(bytes)
  assert.equal(crashes.length, died)
})
