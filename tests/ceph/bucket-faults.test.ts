// The S3 client against a radosgw behind a proxy that refuses, cuts, loses, stalls and delays: what it acknowledges is whole, what it
// can't do ends in UnavailableError, and nothing is left behind.
import { CreateBucketCommand, DeleteBucketCommand, ListMultipartUploadsCommand, type S3Client } from '@aws-sdk/client-s3'
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { systemRandomness, UnavailableError } from '../../src/base/index.ts'
import type { Bucket, Key } from '../../src/bucket/index.ts'
import { defaultRetry } from '../../src/bucket/retry.ts'
import { S3Bucket, type S3Tuning } from '../../src/bucket/s3.ts'
import { assertSame, collect, freshKey, spool } from '../support/bucket-suite.ts'
import { everyProxyFault, FailingProxy, type FailingProxyOptions } from '../support/failing-proxy.ts'
import { s3Client, s3Settings } from '../support/s3-settings.ts'
import { noise, Seeded, seedOfRun } from '../support/seeded.ts'

const seed = seedOfRun('bucket faults')
const settings = s3Settings(`faults-${randomUUID().slice(0, 8)}`)
// Small parts, which radosgw takes from 5 MiB on; short waits, so that stalls don't make the test long.
const tuning: S3Tuning = {
  partSizeBytes: 5 << 20,
  streamPieceBytes: 1 << 20,
  retry: { attempts: 5, firstDelayMs: 5, longestDelayMs: 50 },
  limits: { connectMs: 1000, requestMs: 1000, slowestBytesPerMs: 8192 },
}
// At one fault in four, one call in a million uses these up.
const patient = { ...tuning, retry: { ...(tuning.retry ?? defaultRetry), attempts: 10 } }

let spoolFolder: string
let direct: S3Client
let plain: Bucket
before(async () => {
  spoolFolder = await mkdtemp(join(tmpdir(), 'stemma-s3-faults-'))
  direct = s3Client()
  await direct.send(new CreateBucketCommand({ Bucket: settings.bucket }))
  plain = new S3Bucket(settings, spoolFolder, systemRandomness)
})
after(async () => {
  for await (const { key } of plain.list('')) await plain.delete(key)
  for (const key of await unfinished()) await plain.delete(key as Key)
  await direct.send(new DeleteBucketCommand({ Bucket: settings.bucket }))
  await plain.close()
  direct.destroy()
  await rm(spoolFolder, { recursive: true })
})

async function unfinished(): Promise<string[]> {
  const answer = await direct.send(new ListMultipartUploadsCommand({ Bucket: settings.bucket }))
  return (answer.Uploads ?? []).map(({ Key }) => Key ?? '')
}

async function behindProxy(
  options: Omit<FailingProxyOptions, 'target' | 'seed'>,
  body: (bucket: S3Bucket, proxy: FailingProxy) => Promise<void>,
  tuned: S3Tuning = tuning,
): Promise<void> {
  const proxy = new FailingProxy({ target: new URL(settings.endpoint ?? ''), seed, ...options })
  const endpoint = (await proxy.listen()).href
  const bucket = new S3Bucket({ ...settings, endpoint }, spoolFolder, systemRandomness, tuned)
  try {
    await body(bucket, proxy)
  } finally {
    await bucket.close()
    await proxy.close()
  }
}

for (const fault of everyProxyFault) {
  test(`requests meet "${fault}", and everything still goes through`, async () => {
    const work = async (bucket: S3Bucket, proxy: FailingProxy): Promise<void> => {
      for (let at = 0; at < 6; at++) {
        const sizeBytes = [10, 70_000, 5 << 20, (5 << 20) + 1, 12 << 20, 1 << 20][at] ?? 0
        const bytes = noise(at + 1, sizeBytes)
        const key = freshKey()
        if (at % 2 === 0) await bucket.put(key, bytes)
        else await bucket.uploadFile(key, await spool(bucket, bytes)).complete(sizeBytes)
        assertSame(await plain.get(key, { offset: 0, sizeBytes }), bytes)
        assertSame(await collect(bucket.stream(key, { offset: 0, sizeBytes })), bytes)
      }
      assert.ok(proxy.history.length > 0)
    }
    const probability = fault === 'stall' ? 0.1 : 0.25
    await behindProxy({ probability, faults: [fault], mostDelayMs: 20 }, work, patient)
  })
}

test('a lost answer to the completion of an upload is found out by looking', async () => {
  const isCompletion = (method: string, path: string): boolean => method === 'POST' && path.includes('uploadId=')
  for (const fault of ['lose', 'error-after', 'cut-answer'] as const) {
    await behindProxy({ probability: 1, faults: [fault], only: isCompletion }, async (bucket, proxy) => {
      const bytes = noise(3, 11 << 20)
      const key = freshKey()
      await bucket.uploadFile(key, await spool(bucket, bytes)).complete(bytes.length)
      assertSame(await plain.get(key, { offset: 0, sizeBytes: bytes.length }), bytes)
      assert.ok(proxy.history.length <= 2, proxy.history.join())
    })
  }
})

test('a bucket that never answers ends in UnavailableError, in bounded time, and leaves nothing', async () => {
  await behindProxy({ probability: 1, faults: ['refuse', 'drop', 'error-after'] }, async (bucket, proxy) => {
    const isUnavailable = (error: unknown): boolean => error instanceof UnavailableError && error.code === 'bucket-unavailable'
    const range = { offset: 0, sizeBytes: 100 }
    await assert.rejects(bucket.put(freshKey(), noise(1, 100)), isUnavailable)
    await assert.rejects(bucket.get(freshKey(), range), isUnavailable)
    await assert.rejects(collect(bucket.stream(freshKey(), range)), isUnavailable)
    await assert.rejects(bucket.head(freshKey()), isUnavailable)
    await assert.rejects(bucket.delete(freshKey()), isUnavailable)
    await assert.rejects(bucket.probe(), isUnavailable)
    const key = freshKey()
    const upload = bucket.uploadFile(key, await spool(bucket, noise(1, 12 << 20)))
    await assert.rejects(upload.complete(12 << 20), isUnavailable)
    assert.deepEqual(await readdir(spoolFolder), [])
    // What lost answers left is what the sweep of intent rows removes: by deleting the key.
    proxy.probability = 0
    await bucket.delete(key)
    assert.deepEqual(
      (await unfinished()).filter((found) => found === key),
      [],
    )
  })
})

test('random work under all faults: acknowledged is whole, the rest can be swept', async () => {
  await behindProxy({ probability: 0.5, mostDelayMs: 20 }, async (bucket, proxy) => {
    const random = new Seeded(seed)
    const failed: Key[] = []
    const work = async (at: number): Promise<void> => {
      const sizeBytes = random.pick([0, 1, 5000, 300_000, 5 << 20, (6 << 20) + 1])
      const bytes = noise(at, sizeBytes)
      const key = freshKey()
      try {
        if (random.below(2) === 0) await bucket.put(key, bytes)
        else await bucket.uploadFile(key, await spool(bucket, bytes)).complete(sizeBytes)
      } catch (error) {
        assert.ok(error instanceof UnavailableError, String(error))
        return void failed.push(key)
      }
      assertSame(await plain.get(key, { offset: 0, sizeBytes }), bytes)
    }
    for (let round = 0; round < 8; round++) await Promise.all(Array.from({ length: 6 }, (_, at) => work(round * 6 + at)))
    proxy.probability = 0
    for (const key of failed) await bucket.delete(key)
    assert.deepEqual(await unfinished(), [])
    for (const key of failed) assert.equal(await plain.head(key), null)
    assert.deepEqual(await readdir(spoolFolder), [])
    console.log(`${proxy.history.length} faults, ${bucket.requests.retries} retries, ${failed.length} of 48 calls failed in the end`)
  })
})
