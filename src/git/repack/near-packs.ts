// Packs that lie far away, in an S3 bucket, are brought near before a repack: objects are read by path, which is all over a pack, many times over. They are
// laid out as a bucket in a folder of the spool, and read as one.
import { mkdir, open } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { spoolError, systemClock, systemRandomness, writeFully } from '../../base/index.ts'
import { attachBucket, type Bucket, makeBlockReader, parseKey } from '../../bucket/index.ts'
import {
  type Deflater,
  type Inflater,
  ObjectCache,
  ObjectReader,
  openPackSet,
  type PackSet,
  type PackSetHandle,
  type PackSets,
} from '../odb/index.ts'
import type { ObjectId } from '../format/object-id.ts'
import { type FetchRepository, openFetchRepository } from '../upload-pack/repository.ts'

/** The packs of a repack's job. */
export interface JobPacks {
  readonly packs: PackSetHandle
  /** Folder with copies of those packs that have a key; null: they are near where they are. */
  readonly near: string | null
}

/** What the thread has for its jobs. */
export interface RepackParts {
  readonly sets: PackSets
  readonly inflater: Inflater
  readonly deflater: Deflater
  readonly module: WebAssembly.Module
}

const blockCacheBytes = 8 << 20
const objectCacheBytes = 24 << 20

/** @throws UnavailableError 'spool-full' and the like; what the bucket throws. What was copied by then stays in the folder. */
export async function copyPacks(
  bucket: Bucket,
  { packs }: PackSetHandle,
  folder: string,
  progress: (done: number, total: number) => void,
  signal: AbortSignal,
): Promise<void> {
  const total = packs.reduce((sum, pack) => sum + (pack.key === null ? 0 : pack.valueBytes), 0)
  let done = 0
  for (const { key, valueBytes } of packs) {
    if (key === null) continue
    const path = join(folder, key)
    try {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 })
      const file = await open(path, 'wx', 0o600)
      try {
        for await (const bytes of bucket.stream(parseKey(key), { offset: 0, sizeBytes: valueBytes }, signal)) {
          await writeFully(file, bytes)
          done += bytes.length
          progress(done, total)
        }
      } finally {
        await file.close()
      }
    } catch (error) {
      throw spoolError(error, folder)
    }
  }
}

export function openSet({ packs, near }: JobPacks, { sets }: Pick<RepackParts, 'sets'>): PackSet {
  if (near === null) return sets.open(packs)
  const surroundings = { clock: systemClock, randomness: systemRandomness }
  const bucket = attachBucket({ kind: 'filesystem', folder: near }, surroundings)
  return openPackSet(packs, makeBlockReader(bucket, { ...surroundings, memoryBytes: blockCacheBytes, disk: null }))
}

export function openRepository(job: JobPacks, parts: RepackParts, cutOff: readonly ObjectId[] = []): FetchRepository {
  const set = openSet(job, parts)
  const objects = new ObjectReader(set, new ObjectCache(objectCacheBytes), parts.inflater)
  const table = job.packs.history ? new Uint8Array(job.packs.history.bytes) : null
  return openFetchRepository(set, objects, table, cutOff, parts.deflater)
}
