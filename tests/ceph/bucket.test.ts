// The S3 bucket keeps the promises of a bucket on a real radosgw, and those of its own.
import { DeleteBucketCommand, ListMultipartUploadsCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemClock, systemRandomness } from '../../src/base/index.ts'
import { openBucket } from '../../src/bucket/index.ts'
import { assertSame, bucketSuite, freshKey } from '../support/bucket-suite.ts'
import { s3Client, s3Settings } from '../support/s3-settings.ts'
import { noise } from '../support/seeded.ts'

const surroundings = { clock: systemClock, randomness: systemRandomness }

bucketSuite('s3', async () => {
  const settings = s3Settings(`suite-${randomUUID().slice(0, 8)}`)
  const spoolFolder = await mkdtemp(join(tmpdir(), 'stemma-s3-bucket-'))
  const bucket = await openBucket({ kind: 's3', ...settings, spoolFolder, createBucket: true }, surroundings)
  const direct = s3Client()
  return {
    bucket,
    unfinished: async () => {
      const answer = await direct.send(new ListMultipartUploadsCommand({ Bucket: settings.bucket }))
      return (answer.Uploads ?? []).map(({ Key }) => Key ?? '')
    },
    cut: async (key, sizeBytes) => {
      const value = await bucket.get(key, { offset: 0, sizeBytes })
      await direct.send(new PutObjectCommand({ Bucket: settings.bucket, Key: key, Body: value }))
    },
    dispose: async () => {
      assert.deepEqual(await readdir(spoolFolder), [], 'nothing is left in the spool')
      for await (const { key } of bucket.list('')) await bucket.delete(key)
      await direct.send(new DeleteBucketCommand({ Bucket: settings.bucket }))
      direct.destroy()
      await bucket.close()
      await rm(spoolFolder, { recursive: true })
    },
  }
})

test('a signed URL gives that key, all of it or a range, for so long, and nothing else', async () => {
  const settings = s3Settings(`links-${randomUUID().slice(0, 8)}`)
  const spoolFolder = await mkdtemp(join(tmpdir(), 'stemma-s3-bucket-'))
  const publicEndpoint = settings.endpoint
  const bucket = await openBucket({ kind: 's3', ...settings, publicEndpoint, spoolFolder, createBucket: true }, surroundings)
  const [key, other] = [freshKey(), freshKey()]
  const bytes = noise(7, 300_000)
  await Promise.all([bucket.put(key, bytes), bucket.put(other, bytes.subarray(1))])
  const link = (at: number, lifetimeMs = 60_000) => (bucket.link ?? assert.fail('it links'))(key, { at: new Date(at), lifetimeMs })
  const now = systemClock.now()
  const url = await link(now)
  const get = async (from: string | URL, headers: Record<string, string> = {}) => {
    const answer = await fetch(from, { headers })
    return { status: answer.status, type: answer.headers.get('content-type'), bytes: new Uint8Array(await answer.arrayBuffer()) }
  }
  const whole = await get(url)
  assert.deepEqual([whole.status, whole.type], [200, 'application/octet-stream'])
  assertSame(whole.bytes, bytes)
  const range = await get(url, { range: 'bytes=1000-1999' })
  assert.equal(range.status, 206)
  assertSame(range.bytes, bytes.subarray(1000, 2000))
  const changed = [new URL(url), new URL(url), new URL(url.replace(key, other))] as const
  changed[0].searchParams.set('X-Amz-Expires', '61')
  changed[1].searchParams.set('response-content-type', 'text/html')
  for (const wrong of changed) assert.equal((await get(wrong)).status, 403)
  assert.equal((await get(await link(now - 120_000))).status, 403, 'it has ended')
  assert.equal((await fetch(url, { method: 'DELETE' })).status, 403)
  assertSame((await get(url)).bytes, bytes)
  const plain = await openBucket({ kind: 's3', ...settings, spoolFolder }, surroundings)
  assert.equal(plain.link, undefined, 'clients do not reach it')
  for (const one of [key, other]) await bucket.delete(one)
  const direct = s3Client()
  await direct.send(new DeleteBucketCommand({ Bucket: settings.bucket }))
  direct.destroy()
  await Promise.all([bucket.close(), plain.close()])
  await rm(spoolFolder, { recursive: true })
})

test('a missing bucket and wrong keys are errors that say what to do', async () => {
  const spoolFolder = await mkdtemp(join(tmpdir(), 'stemma-s3-bucket-'))
  const missing = { kind: 's3', ...s3Settings('no-such-bucket-here'), spoolFolder } as const
  await assert.rejects(openBucket(missing, surroundings), { code: 'bucket-missing', message: /createBucket/ })
  const wrong = { kind: 's3', ...s3Settings(), secretAccessKey: 'wrong', spoolFolder } as const
  await assert.rejects(openBucket(wrong, surroundings), { code: 'bucket-denied', message: /secretAccessKey/ })
  const nowhere = { kind: 's3', ...s3Settings(), endpoint: 'http://127.0.0.1:9', spoolFolder } as const
  await assert.rejects(openBucket(nowhere, surroundings), { code: 'bucket-unavailable' })
  await rm(spoolFolder, { recursive: true })
})
