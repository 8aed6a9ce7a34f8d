// `stemma backup` and `stemma restore`: all that there is to a folder, and back; and holds for those who copy with other tools.
import { resolve } from 'node:path'
import { assertEmpty, backUp, backupFolder, readBackup, restore } from '../backup/index.ts'
import { systemClock, systemRandomness } from '../base/index.ts'
import { openBucket } from '../bucket/index.ts'
import { type Config } from '../config.ts'
import { parseDuration } from '../config-kinds.ts'
import { Database, migrate } from '../db/index.ts'
import { holdKeys, releaseKeys } from '../jobs/index.ts'
import { bucketConfig } from '../rooms.ts'
import { version } from '../version.ts'
import { withDatabase, withDatabaseUrl } from './database.ts'
import { formatBytes, Progress } from './progress.ts'
import { interruptible, quietLog } from './rooms.ts'
import { type Flags, needed, print, printDone, UsageError } from './usage.ts'

const surroundings = { clock: systemClock, randomness: systemRandomness }
/** The hold that an operator makes by hand. */
const handHold = 'by hand'
const longestHoldMs = 31 * 24 * 3600_000

/** Sets the exit code to 1 when the bucket lacked a key. */
export async function runBackup(config: Config, given: Flags): Promise<void> {
  const live = config.bucket.kind === 'filesystem' ? [config.data, config.bucket.folder] : [config.data]
  const folder = await backupFolder(needed(given.to, 'backup', 'to'), live)
  const progress = new Progress(process.stderr, systemClock)
  const done = await interruptible((signal) =>
    withDatabase(config, quietLog(config), async (database) => {
      const bucket = await openBucket(bucketConfig(config), surroundings)
      try {
        const show = (phase: string, at: number, total: number) => progress.show('backup', phase, at, total)
        return await backUp({ database, bucket, ...surroundings, version }, { folder, signal, progress: show })
      } finally {
        await bucket.close()
      }
    }),
  ).finally(() => progress.clear())
  const { manifest, copied, copiedBytes, removed } = done
  const { takenAt, keys, keyBytes, missing, tables } = manifest
  const rows = tables.reduce((sum, table) => sum + table.rows, 0)
  if (given.json === true) print(JSON.stringify({ folder, takenAt, rows, keys, keyBytes, copied, copiedBytes, removed, missing }))
  else {
    print(
      `backup of ${takenAt}: ${rows} rows, ${keys} keys (${formatBytes(keyBytes)}), of which ${copied} are new (${formatBytes(copiedBytes)})`,
    )
    for (const key of missing) print(`missing in the bucket\t${key}`)
  }
  if (missing.length > 0) process.exitCode = 1
}

/** Sets the exit code to 1 when the backup lacks a key. */
export async function runRestore(config: Config, given: Flags): Promise<void> {
  const folder = resolve(needed(given.from, 'restore', 'from'))
  const backup = await readBackup(folder)
  const log = quietLog(config)
  const progress = new Progress(process.stderr, systemClock)
  const show = (phase: string, at: number, total: number) => progress.show('restore', phase, at, total)
  const manifest = await interruptible((signal) =>
    withDatabaseUrl(config, log, true, async (url) => {
      const database = new Database({ url, poolSize: 2, log })
      try {
        await assertEmpty(database.queries) // nor is another one's schema changed
        await migrate({ url, log, mayApply: true })
        const bucket = await openBucket(bucketConfig(config), surroundings)
        try {
          return await restore({ database, bucket, ...surroundings }, { backup, signal, progress: show })
        } finally {
          await bucket.close()
        }
      } finally {
        await database.close()
      }
    }),
  ).finally(() => progress.clear())
  const { takenAt, keys, keyBytes, missing, tables } = manifest
  const rows = tables.reduce((sum, table) => sum + table.rows, 0)
  if (given.json === true) print(JSON.stringify({ folder, takenAt, rows, keys, keyBytes, missing }))
  else {
    print(
      `restored what was there on ${takenAt}: ${rows} rows, ${keys} keys (${formatBytes(keyBytes)}); start the server, and run stemma fsck`,
    )
    for (const key of missing) print(`missing in the backup\t${key}`)
  }
  if (missing.length > 0) process.exitCode = 1
}

export async function runHold(config: Config, given: Flags): Promise<void> {
  const ms = parseDuration(given.for ?? '24h')
  if (ms === null || ms <= 0 || ms > longestHoldMs) throw new UsageError(`--for ${given.for} is no duration up to 31d, such as 24h`)
  const until = await withDatabase(config, quietLog(config), (database) => holdKeys(database, handHold, ms / 1000))
  printDone(given.json === true, { until }, `No key is deleted until ${until.toISOString()}.`)
}

export async function runRelease(config: Config, given: Flags): Promise<void> {
  await withDatabase(config, quietLog(config), (database) => releaseKeys(database, handHold))
  printDone(given.json === true, { until: null }, 'Keys that nothing refers to are deleted again.')
}
