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
import { bucketSuite } from '../support/bucket-suite.ts'
import { s3Client, s3Settings } from '../support/s3-settings.ts'

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
