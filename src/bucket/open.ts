// Makes the bucket that the configuration names.
import { readdir, rm, stat } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { type Clock, makeFolders, type Randomness, UnavailableError } from '../base/index.ts'
import type { Bucket } from './bucket.ts'
import { unavailable } from './errors.ts'
import { FilesystemBucket } from './filesystem.ts'
import { shareRequests } from './requests.ts'
import type { S3Bucket, S3Tuning } from './s3.ts'
import type { S3Settings } from './s3-client.ts'

export type BucketConfig = {
  /** Where worker threads add up what they ask (sharedRequests). */
  readonly counts?: SharedArrayBuffer
} & (
  | { readonly kind: 'filesystem'; readonly folder: string }
  | (S3Settings & {
      readonly kind: 's3'
      /** For files that are received before they are sent. */
      readonly spoolFolder: string
      /** Makes the bucket at the start where it is missing; otherwise a missing bucket is an error that says what to do. */
      readonly createBucket?: boolean
    })
)

export interface BucketSurroundings {
  readonly clock: Clock
  readonly randomness: Randomness
}

// What a crash left in the spool; an upload that is still alive has touched its file since.
const spoolLifetimeMs = 24 * 3600_000

/** Another instance of a bucket that `openBucket` has checked before: for worker threads. Makes no request and no folder. */
export function attachBucket(config: BucketConfig, { clock, randomness }: BucketSurroundings, tuning: S3Tuning = {}): Bucket {
  const bucket =
    config.kind === 'filesystem' ? new FilesystemBucket(config.folder, clock, randomness) : attachS3(config, randomness, tuning)
  if (config.counts) shareRequests(bucket.requests, config.counts)
  return bucket
}

/**
 * The bucket, checked: its folders are made, stale spool files removed, and one request has shown that it serves.
 * UnavailableError: 'bucket-missing', 'bucket-denied' (both say what to change), 'bucket-unavailable'.
 */
export async function openBucket(config: BucketConfig, { clock, randomness }: BucketSurroundings, tuning: S3Tuning = {}): Promise<Bucket> {
  if (config.kind === 'filesystem') {
    const bucket = new FilesystemBucket(config.folder, clock, randomness)
    await bucket.prepare()
    await bucket.probe()
    await sweepSpool(bucket.spoolFolder, clock, spoolLifetimeMs)
    return bucket
  }
  await makeSpool(config.spoolFolder)
  await sweepSpool(config.spoolFolder, clock, spoolLifetimeMs)
  const bucket = attachS3(config, randomness, tuning)
  try {
    await bucket.probe().catch(async (error: unknown) => {
      const isMissing = error instanceof UnavailableError && error.code === 'bucket-missing'
      if (!isMissing || config.createBucket !== true) throw error
      await bucket.create()
    })
    return bucket
  } catch (error) {
    await bucket.close()
    throw error
  }
}

/** S3's client is loaded only where it is used: it takes 24 MiB and a tenth of a second, in each worker thread anew. */
function attachS3(config: Extract<BucketConfig, { kind: 's3' }>, randomness: Randomness, tuning: S3Tuning): S3Bucket {
  const load = createRequire(import.meta.url)
  const { S3Bucket: Loaded } = load('./s3.ts') as typeof import('./s3.ts')
  return new Loaded(config, config.spoolFolder, randomness, tuning)
}

/** Removes what nobody has written to for that long in the spool: files, and folders with copies of packs (src/git/repack). Returns how many. */
export async function sweepSpool(folder: string, clock: Clock, lifetimeMs: number): Promise<number> {
  let removed = 0
  for (const name of await readdir(folder).catch(() => [])) {
    const path = join(folder, name)
    const found = await stat(path).catch(() => null)
    if (found === null || found.mtimeMs > clock.now() - lifetimeMs) continue
    await rm(path, { recursive: true, force: true })
    removed++
  }
  return removed
}

async function makeSpool(folder: string): Promise<void> {
  await makeFolders(resolve(folder), 0o700).catch((error: unknown) => {
    throw unavailable('bucket-denied', `the spool folder can't be made: ${folder}`, error)
  })
}
