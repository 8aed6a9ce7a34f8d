// Makes the bucket that the configuration names.
import { mkdir, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { type Clock, type Randomness, UnavailableError } from '../base/index.ts'
import type { Bucket } from './bucket.ts'
import { unavailable } from './errors.ts'
import { FilesystemBucket } from './filesystem.ts'
import { S3Bucket, type S3Tuning } from './s3.ts'
import type { S3Settings } from './s3-client.ts'

export type BucketConfig =
  | { readonly kind: 'filesystem'; readonly folder: string }
  | (S3Settings & {
      readonly kind: 's3'
      /** For files that are received before they are sent. */
      readonly spoolFolder: string
      /** Makes the bucket at the start where it is missing; otherwise a missing bucket is an error that says what to do. */
      readonly createBucket?: boolean
    })

export interface BucketSurroundings {
  readonly clock: Clock
  readonly randomness: Randomness
}

// What a crash left in the spool; an upload that is still alive has touched its file since.
const spoolLifetimeMs = 24 * 3600_000

/** Another instance of a bucket that `openBucket` has checked before: for worker threads. Makes no request and no folder. */
export function attachBucket(config: BucketConfig, { clock, randomness }: BucketSurroundings, tuning: S3Tuning = {}): Bucket {
  if (config.kind === 'filesystem') return new FilesystemBucket(config.folder, clock, randomness)
  return new S3Bucket(config, config.spoolFolder, randomness, tuning)
}

/**
 * The bucket, checked: its folders are made, stale spool files removed, and one request has shown that it serves.
 * UnavailableError: 'bucket-missing', 'bucket-denied' (both say what to change), 'bucket-unavailable'.
 */
export async function openBucket(config: BucketConfig, surroundings: BucketSurroundings, tuning: S3Tuning = {}): Promise<Bucket> {
  const bucket = attachBucket(config, surroundings, tuning)
  try {
    if (bucket instanceof FilesystemBucket) await bucket.prepare()
    else await makeSpool(bucket.spoolFolder)
    await sweepSpool(bucket.spoolFolder, surroundings.clock, spoolLifetimeMs)
    await bucket.probe().catch(async (error: unknown) => {
      const isMissing = error instanceof UnavailableError && error.code === 'bucket-missing'
      if (!isMissing || config.kind !== 's3' || config.createBucket !== true || !(bucket instanceof S3Bucket)) throw error
      await bucket.create()
    })
  } catch (error) {
    await bucket.close()
    throw error
  }
  return bucket
}

/** Removes files in the spool that nobody has written to for that long. Returns how many. */
export async function sweepSpool(folder: string, clock: Clock, lifetimeMs: number): Promise<number> {
  let removed = 0
  for (const name of await readdir(folder).catch(() => [])) {
    const path = join(folder, name)
    const found = await stat(path).catch(() => null)
    if (found === null || !found.isFile() || found.mtimeMs > clock.now() - lifetimeMs) continue
    await rm(path, { force: true })
    removed++
  }
  return removed
}

async function makeSpool(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 }).catch((error: unknown) => {
    throw unavailable('bucket-denied', `the spool folder can't be made: ${folder}`, error)
  })
}
