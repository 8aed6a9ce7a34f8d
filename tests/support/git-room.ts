// The Git room in the test's own process, over a test database and a bucket in a folder: for what no request reaches.
import { mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { makeLog, systemClock, systemRandomness } from '../../src/base/index.ts'
import { type Bucket, openBucket } from '../../src/bucket/index.ts'
import { DiskOrigin, GitRoom, importRepository } from '../../src/git/index.ts'
import { makeAccount, type TestAccount } from './accounts.ts'
import { wideLimits } from './pack-indexing.ts'
import { type TestDatabase, testDatabase } from './test-database.ts'

export interface TestRoom {
  readonly room: GitRoom
  readonly db: TestDatabase
  readonly bucket: Bucket
  readonly bucketFolder: string
  readonly account: TestAccount
  /** Brings a repository of git's in, as `stemma import` does. */
  import(path: string, name: string): Promise<void>
  /** Files of keys below that prefix. */
  keyFiles(prefix: string): string[]
  close(): Promise<void>
}

/** Wide enough for whatever tests do with a room of their own. */
export const roomLimits = {
  ...wideLimits,
  refsPerPush: 1000,
  concurrentPushes: 4,
  concurrentFetches: 4,
  fetchMemoryBytes: 64 << 20,
  pktLines: 10_000,
  requestBytes: 1 << 20,
  requestTimeoutMs: 60_000,
}

/** @param tailBytes packs above this lie in the bucket */
export async function openTestRoom(folder: string, tailBytes = 0): Promise<TestRoom> {
  const bucketFolder = join(folder, 'bucket')
  mkdirSync(folder, { recursive: true })
  const surroundings = { clock: systemClock, randomness: systemRandomness }
  const bucketConfig = { kind: 'filesystem', folder: bucketFolder } as const
  const bucket = await openBucket(bucketConfig, surroundings)
  const db = await testDatabase()
  const account = await makeAccount(db.database, 'admin', true)
  const room = new GitRoom({
    db: db.database,
    bucket,
    bucketConfig,
    ...surroundings,
    log: makeLog('silent'),
    // nothing is remembered: tests change what is stored
    cache: { memoryBytes: 0, diskBytes: 0, packBytes: 0, folder: join(folder, 'cache') },
    threads: 2,
    limits: roomLimits,
    tailBytes,
    agent: 'stemma/test',
  })
  return {
    room,
    db,
    bucket,
    bucketFolder,
    account,
    import: async (path, name) => {
      const origin = new DiskOrigin(path)
      try {
        await importRepository(room.importParts, {
          target: { ownerId: account.id, ownerLogin: account.login, name, visibility: 'private' },
          origin,
          isStrict: true,
          progress: () => {},
          signal: new AbortController().signal,
        })
      } finally {
        origin.close()
      }
    },
    keyFiles: (prefix) =>
      readdirSync(join(bucketFolder, prefix), { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name))
        .sort(),
    close: async () => {
      await room.close()
      await bucket.close()
      await db.close()
    },
  }
}
