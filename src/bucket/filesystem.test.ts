// The filesystem bucket keeps the promises of a bucket, and those of its own.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, readdir, rename, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { assertSame, bucketSuite, freshKey, spool } from '../../tests/support/bucket-suite.ts'
import { asOrdinaryUser } from '../../tests/support/ordinary-user.ts'
import { noise } from '../../tests/support/seeded.ts'
import { systemClock, systemRandomness, UnavailableError } from '../base/index.ts'
import { FilesystemBucket } from './filesystem.ts'
import { openBucket, sweepSpool } from './open.ts'
import { packKey } from './paths.ts'

async function makeBucket(): Promise<{ folder: string; bucket: FilesystemBucket }> {
  const folder = await mkdtemp(join(tmpdir(), 'stemma-filesystem-bucket-'))
  const bucket = new FilesystemBucket(folder, systemClock, systemRandomness)
  await bucket.prepare()
  return { folder, bucket }
}

bucketSuite('filesystem', async () => {
  const { folder, bucket } = await makeBucket()
  return {
    bucket,
    unfinished: async () => [],
    cut: (key, sizeBytes) => truncate(join(folder, key), sizeBytes),
    dispose: async () => {
      assert.deepEqual(await readdir(bucket.spoolFolder), [], 'nothing is left in tmp/')
      await bucket.close()
      await rm(folder, { recursive: true })
    },
  }
})

let folder: string
let bucket: FilesystemBucket
before(async () => {
  ;({ folder, bucket } = await makeBucket())
})
after(async () => {
  await bucket.close()
  await rm(folder, { recursive: true })
})

test('a key is the path below the folder; an upload in the spool is moved, not copied', async () => {
  const key = packKey('3f0e8a5c-9d0b-4c6e-8f00-0123456789ab')
  const path = await spool(bucket, noise(1, 5000))
  const { ino } = await stat(path)
  await bucket.uploadFile(key, path).complete(5000)
  const found = await stat(join(folder, 'pack/3f/3f0e8a5c-9d0b-4c6e-8f00-0123456789ab'))
  assert.equal(found.ino, ino)
  assert.equal(found.mode & 0o077, found.mode & 0o077 & 0o044, 'nobody else may write')
})

test('an upload from another file system is copied', async (context) => {
  if (!existsSync('/dev/shm') || (await stat('/dev/shm')).dev === (await stat(folder)).dev)
    return context.skip('/dev/shm is no second file system here')
  const elsewhere = await mkdtemp('/dev/shm/stemma-')
  try {
    const path = join(elsewhere, 'file')
    await writeFile(path, noise(2, 100_000))
    const key = freshKey()
    await bucket.uploadFile(key, path).complete(100_000)
    assertSame(await bucket.get(key, { offset: 0, sizeBytes: 100_000 }), noise(2, 100_000))
    assert.equal(existsSync(path), false)
    assert.deepEqual(await readdir(bucket.spoolFolder), [])
  } finally {
    await rm(elsewhere, { recursive: true })
  }
})

test('a folder that is gone is not the same as lost values', async () => {
  const made = await makeBucket()
  const key = freshKey()
  await made.bucket.put(key, noise(1, 10))
  await rename(made.folder, `${made.folder}-unmounted`)
  const isMissing = (error: unknown): boolean => error instanceof UnavailableError && error.code === 'bucket-missing'
  await assert.rejects(made.bucket.get(key, { offset: 0, sizeBytes: 10 }), isMissing)
  await assert.rejects(made.bucket.head(key), isMissing)
  await assert.rejects(made.bucket.put(freshKey(), noise(1, 10)), isMissing)
  await assert.rejects(made.bucket.delete(key), isMissing)
  await assert.rejects(made.bucket.probe(), isMissing)
  assert.throws(() => made.bucket.readNow(key, { offset: 0, sizeBytes: 10 }), isMissing)
  await rename(`${made.folder}-unmounted`, made.folder)
  assertSame(made.bucket.readNow(key, { offset: 0, sizeBytes: 10 }), noise(1, 10))
  await made.bucket.close()
  await rm(made.folder, { recursive: true })
})

test('a value that was deleted can be read no more, also when its file was open', async () => {
  const key = freshKey()
  await bucket.put(key, noise(1, 10))
  bucket.readNow(key, { offset: 0, sizeBytes: 10 })
  await bucket.delete(key)
  assert.throws(() => bucket.readNow(key, { offset: 0, sizeBytes: 10 }), { code: 'missing-key' })
})

test('opening makes the folder and sweeps what a crash left, but not what is being written', async () => {
  const place = join(folder, 'opened')
  const surroundings = { clock: systemClock, randomness: systemRandomness }
  const first = await openBucket({ kind: 'filesystem', folder: place }, surroundings)
  await writeFile(join(first.spoolFolder, 'old'), 'x')
  await writeFile(join(first.spoolFolder, 'new'), 'x')
  const daysAgo = new Date(systemClock.now() - 2 * 24 * 3600_000)
  await mkdir(join(first.spoolFolder, 'old-folder', 'pack'), { recursive: true })
  for (const name of ['old', 'old-folder']) await utimes(join(first.spoolFolder, name), daysAgo, daysAgo)
  const second = await openBucket({ kind: 'filesystem', folder: place }, surroundings)
  assert.deepEqual(await readdir(second.spoolFolder), ['new'])
  assert.equal(await sweepSpool(second.spoolFolder, { now: () => Date.now() + 10_000, monotonic: () => 0 }, 1000), 1)
  await first.close()
  await second.close()
})

test('a folder that may not be written is an error that says so', async () => {
  const place = join(folder, 'denied')
  await mkdir(place)
  await chmod(place, 0o555)
  const config = { kind: 'filesystem', folder: join(place, 'bucket') } as const
  const opened = () => openBucket(config, { clock: systemClock, randomness: systemRandomness })
  await asOrdinaryUser(folder, () => assert.rejects(opened, { code: 'bucket-denied' }))
})
