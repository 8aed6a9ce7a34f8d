// A content store on a database and a folder of its own, and content to put into it.
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeLog, systemClock, systemRandomness } from '../../src/base/index.ts'
import { type Bucket, openBucket } from '../../src/bucket/index.ts'
import type { Database } from '../../src/db/index.ts'
import { type Digest, type PutOptions, type PutResult, SegmentStore, type SegmentStoreOptions } from '../../src/store/index.ts'
import { type TestDatabase, testDatabase } from './test-database.ts'

export interface ContentHost {
  readonly db: TestDatabase
  readonly bucket: Bucket
  readonly folder: string
  readonly store: SegmentStore
  /** Another node on the same database and bucket; `bucket` stands between it and the folder. */
  another(bucket?: Bucket, database?: Database, options?: Partial<SegmentStoreOptions>): SegmentStore
  close(): Promise<void>
}

export async function contentHost(): Promise<ContentHost> {
  const db = await testDatabase(4)
  const folder = mkdtempSync(join(tmpdir(), 'stemma-content-'))
  mkdirSync(join(folder, 'bucket'))
  const bucketConfig = { kind: 'filesystem', folder: join(folder, 'bucket') } as const
  const bucket = await openBucket(bucketConfig, { clock: systemClock, randomness: systemRandomness })
  const stores: SegmentStore[] = []
  const another = (
    through: Bucket = bucket,
    database: Database = db.database,
    options: Partial<SegmentStoreOptions> = {},
  ): SegmentStore => {
    const store = new SegmentStore({
      db: database,
      bucket: through,
      bucketConfig,
      randomness: systemRandomness,
      log: makeLog('silent'),
      cache: { memoryBytes: 8 << 20, diskBytes: 0, folder: join(folder, 'cache') },
      threads: 2,
      ...options,
    })
    stores.push(store)
    return store
  }
  return {
    db,
    bucket,
    folder,
    store: another(),
    another,
    close: async () => {
      for (const store of stores) await store.close()
      await bucket.close()
      await db.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** The bytes in pieces, as a connection gives them. */
export async function* pieces(bytes: Uint8Array, pieceBytes = 64 << 10): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes)
}

export function put(store: SegmentStore, bytes: Uint8Array, options: Partial<PutOptions> = {}): Promise<PutResult> {
  return store.put(pieces(bytes), { limitBytes: 2 ** 40, ...options })
}

/** All bytes, or a range of them; null where there is no such content. */
export async function read(store: SegmentStore, digest: Digest, offset?: number, sizeBytes?: number): Promise<Buffer | null> {
  const range = offset === undefined || sizeBytes === undefined ? undefined : { offset, sizeBytes }
  const open = await store.get(digest, range)
  if (open === null) return null
  const parts: Uint8Array[] = []
  for await (const bytes of open.bytes) parts.push(bytes)
  return Buffer.concat(parts)
}

export function sha256(bytes: Uint8Array): Digest {
  return createHash('sha256').update(bytes).digest('hex') as Digest
}
