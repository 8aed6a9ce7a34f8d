// A backup without stopping: no key is deleted meanwhile, all rows of one moment, then the keys that they name. docs/backup.md says why that is
// consistent. The folder's former backup counts until this one is whole.
import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type Clock, InputError, type Randomness } from '../base/index.ts'
import { type Bucket, openBucket } from '../bucket/index.ts'
import type { Database } from '../db/index.ts'
import { holdKeys, releaseKeys } from '../jobs/index.ts'
import { copyKeys, type NamedKey } from './copy-keys.ts'
import { dumpTable } from './dump.ts'
import { type BackupFolder, markBegun, markWhole } from './folder.ts'
import { dumpFolder, type DumpedTable, type Manifest, manifestFormat, writeManifest } from './manifest.ts'
import { namedKeys } from './named-keys.ts'
import { readMigrations, readTables } from './tables.ts'

export interface BackupParts {
  readonly database: Database
  readonly bucket: Bucket
  readonly clock: Clock
  readonly randomness: Randomness
  /** The release, for the manifest. */
  readonly version: string
}

export interface BackupOptions {
  readonly folder: BackupFolder
  readonly signal: AbortSignal
  readonly progress: (phase: string, done: number, total: number) => void
}

export interface BackupResult {
  readonly manifest: Manifest
  readonly copied: number
  readonly copiedBytes: number
  /** Keys of former backups that this one doesn't need, removed. */
  readonly removed: number
}

/** The hold is renewed at a third of this. */
const holdSeconds = 900

/** @throws InputError `backup` when the folder can't be made; UnavailableError; the signal's reason */
export async function backUp(parts: BackupParts, options: BackupOptions): Promise<BackupResult> {
  const { database, randomness } = parts
  await mkdir(options.folder, { recursive: true, mode: 0o700 }).catch((cause: unknown) => {
    throw new InputError('backup', `${options.folder} can't be made a folder; give another one, or free its place`, { cause })
  })
  await markBegun(options.folder)
  const hold = randomness.uuid()
  const lost = new AbortController()
  const renew = async (): Promise<number> => {
    const asked = parts.clock.monotonic()
    await holdKeys(database, hold, holdSeconds)
    return asked + holdSeconds * 1000
  }
  let goodUntil = await renew()
  const renewing = setInterval(() => {
    renew().then(
      (until) => (goodUntil = until),
      (error: unknown) => {
        // not to go on where a key may be gone that the rows name
        if (parts.clock.monotonic() > goodUntil - (holdSeconds * 1000) / 6) lost.abort(error)
      },
    )
  }, holdSeconds * 333)
  try {
    return await run(parts, { ...options, signal: AbortSignal.any([options.signal, lost.signal]) })
  } finally {
    clearInterval(renewing)
    await releaseKeys(database, hold).catch(() => {}) // it ends by itself
  }
}

async function run(parts: BackupParts, { folder, signal, progress }: BackupOptions): Promise<BackupResult> {
  const { clock, randomness, bucket } = parts
  const takenAt = new Date(clock.now()).toISOString()
  const dump = `${takenAt.replaceAll(':', '-')}-${randomness.uuid().slice(0, 8)}`
  await mkdir(dumpFolder(folder, dump), { recursive: true, mode: 0o700 })
  const rows = await dumpAll(parts, folder, dump, signal, progress)
  const copy = await openBucket({ kind: 'filesystem', folder: join(folder, 'bucket') }, { clock, randomness })
  try {
    const keyBytes = rows.keys.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
    let done = 0
    const copied = await copyKeys(bucket, copy, rows.keys, signal, (bytes) => progress('copying keys', (done += bytes), keyBytes))
    const { migrations, tables, keys } = rows
    const { missing } = copied
    const manifest: Manifest = {
      format: manifestFormat,
      stemma: parts.version,
      takenAt,
      dump,
      migrations,
      tables,
      keys: keys.length,
      keyBytes,
      missing,
    }
    await writeManifest(folder, manifest)
    await markWhole(folder)
    const removed = await removeOld(folder, copy, dump, new Set(keys.map(({ key }) => key)))
    return { manifest, copied: copied.copied, copiedBytes: copied.copiedBytes, removed }
  } finally {
    await copy.close()
  }
}

interface Dumped {
  readonly migrations: readonly string[]
  readonly tables: readonly DumpedTable[]
  readonly keys: readonly NamedKey[]
}

async function dumpAll(
  { database }: BackupParts,
  folder: string,
  dump: string,
  signal: AbortSignal,
  progress: BackupOptions['progress'],
): Promise<Dumped> {
  return database.transaction(
    async (tx) => {
      const shapes = await readTables(tx)
      const tables: DumpedTable[] = []
      for (const [place, shape] of shapes.entries()) {
        signal.throwIfAborted()
        progress(`rows of ${shape.name}`, place, shapes.length)
        tables.push(await dumpTable(tx, folder, dump, shape, signal))
      }
      return { migrations: await readMigrations(tx), tables, keys: await namedKeys(tx) }
    },
    { isolation: 'repeatable read', isReadOnly: true },
  )
}

/** What only former backups needed. */
async function removeOld(folder: string, copy: Bucket, dump: string, needed: ReadonlySet<string>): Promise<number> {
  for (const name of await readdir(join(folder, 'dumps'))) {
    if (name !== dump) await rm(join(folder, 'dumps', name), { recursive: true, force: true })
  }
  let removed = 0
  for await (const { key } of copy.list('')) {
    if (needed.has(key)) continue
    await copy.delete(key)
    removed++
  }
  return removed
}
