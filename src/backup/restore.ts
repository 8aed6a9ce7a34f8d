// A backup put into an empty place: keys first, then all rows in one transaction. Until that is committed nothing is there, and the same command
// begins anew; keys that were copied before stay.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type Clock, CorruptError, InputError, type Randomness, UnavailableError } from '../base/index.ts'
import { type Bucket, openBucket, parseKey } from '../bucket/index.ts'
import { type Database, isCommitUnknown, type Queries, sql } from '../db/index.ts'
import { copyKeys, type NamedKey } from './copy-keys.ts'
import { loadTable } from './dump.ts'
import { type Manifest, readManifest } from './manifest.ts'
import { namedKeys } from './named-keys.ts'
import { readMigrations, readTables } from './tables.ts'

export interface RestoreParts {
  /** With all migrations applied, and nothing in it. */
  readonly database: Database
  readonly bucket: Bucket
  readonly clock: Clock
  readonly randomness: Randomness
}

/** A folder in which there is one. */
export interface Backup {
  readonly folder: string
  readonly manifest: Manifest
}

export interface RestoreOptions {
  readonly backup: Backup
  readonly signal: AbortSignal
  readonly progress: (phase: string, done: number, total: number) => void
}

/** What is to be restored: asked for before a place is made for it. @throws InputError `backup` when there is none */
export async function readBackup(folder: string): Promise<Backup> {
  const manifest = await readManifest(folder)
  if (!manifest || !existsSync(join(folder, 'bucket')))
    throw new InputError('backup', `${folder} holds no backup: give the folder that 'stemma backup --to' wrote, with its manifest.json`)
  return { folder, manifest }
}

/**
 * @throws InputError `backup` (of a newer release), `not-empty`; CorruptError when a file of the backup isn't what was written;
 * UnavailableError; the signal's reason. No row is written then, but for `commit-unknown`.
 * @returns the backup's manifest; `missing`: keys that rows name and that were in neither place. All else is put back
 */
export async function restore(parts: RestoreParts, options: RestoreOptions): Promise<Manifest> {
  await assertEmpty(parts.database.queries) // before a key is copied into the bucket of another one
  try {
    await assertFits(parts.database, options.backup.manifest)
    await restoreKeys(parts, options)
    return { ...options.backup.manifest, missing: await restoreRows(parts, options) }
  } catch (error) {
    throw sayWhatIsThere(error)
  }
}

async function restoreKeys(parts: RestoreParts, { backup: { folder, manifest }, signal, progress }: RestoreOptions): Promise<void> {
  const { bucket, clock, randomness } = parts
  const copy = await openBucket({ kind: 'filesystem', folder: join(folder, 'bucket') }, { clock, randomness })
  try {
    let done = 0
    const keys: NamedKey[] = []
    for await (const named of copy.list('', signal)) keys.push(named)
    await copyKeys(copy, bucket, keys, signal, (bytes) => progress('copying keys', (done += bytes), manifest.keyBytes))
  } finally {
    await copy.close()
  }
}

/** Resolves with the keys that rows name and that are missing. */
async function restoreRows({ database, bucket }: RestoreParts, options: RestoreOptions): Promise<readonly string[]> {
  const { backup, signal, progress } = options
  const { folder, manifest } = backup
  return database.transaction(async (tx) => {
    await assertEmpty(tx)
    for (const [place, table] of manifest.tables.entries()) {
      signal.throwIfAborted()
      progress(`rows of ${table.name}`, place, manifest.tables.length)
      // what triggers make of these rows is in the backup, too
      await sql`alter table ${sql.table(table.name)} disable trigger user`.execute(tx)
      await loadTable(tx, folder, manifest.dump, table)
      await sql`alter table ${sql.table(table.name)} enable trigger user`.execute(tx)
    }
    await continueNumbers(tx)
    // runs that were under way then are not now
    await tx.updateTable('mirror').set({ holder: null, leased_until: null }).execute()
    return await lacking(bucket, await namedKeys(tx), signal)
  })
}

/** Keys that are not in the bucket, or of another size: the backup lacked them when it was made, or lost them since. */
async function lacking(bucket: Bucket, keys: readonly NamedKey[], signal: AbortSignal): Promise<readonly string[]> {
  const there = new Map<string, number>()
  for await (const { key, sizeBytes } of bucket.list('', signal)) there.set(key, sizeBytes)
  return keys.filter(({ key, sizeBytes }) => there.get(parseKey(key)) !== sizeBytes).map(({ key }) => key)
}

/** An error that stops a restore, with what the operator is left with: a server that starts there now begins as an empty Stemma. */
function sayWhatIsThere(error: unknown): unknown {
  if (isCommitUnknown(error)) {
    const what = `the database went away at the very end, so it isn't known whether all was restored or nothing`
    const how = `Give the same command again: if it says that there is a Stemma already, all was`
    return new UnavailableError('commit-unknown', `${what}. ${how}`, { cause: error })
  }
  const Family = [InputError, CorruptError, UnavailableError].find((family) => error instanceof family)
  if (!Family || !(error instanceof Family) || error.code === 'not-empty') return error
  const advice = `Nothing was restored: the database is as empty as before. Don't start the server there, it would begin with nothing;
mend the cause, or take another backup, and give the same command again`
  return new Family(error.code, `${error.message}.\n${advice}`, { cause: error })
}

async function assertFits({ queries }: Database, { migrations, tables, stemma }: Manifest): Promise<void> {
  const known = new Set(await readMigrations(queries))
  const shapes = new Map((await readTables(queries)).map(({ name, columns }) => [name, new Set(columns)]))
  const isKnown =
    migrations.every((version) => known.has(version)) &&
    tables.every(({ name, columns }) => columns.every((column) => shapes.get(name)?.has(column)))
  if (!isKnown) throw new InputError('backup', `the backup was made by a newer release (${stemma}): restore it with that one`)
}

/** @throws InputError `not-empty` when a table has rows, whatever release made it */
export async function assertEmpty(queries: Queries): Promise<void> {
  for (const { name } of await readTables(queries)) {
    const { rows } = await sql`select 1 from ${sql.table(name)} limit 1`.execute(queries)
    if (rows.length > 0)
      throw new InputError(
        'not-empty',
        `there is a Stemma already: the table ${name} has rows. Restore into an empty place: another --data, or another database`,
      )
  }
}

/** New rows get numbers behind those that were put back. */
async function continueNumbers(tx: Queries): Promise<void> {
  const { rows } = await sql<{ name: string; column: string }>`
    select c.relname as name, a.attname as column from pg_attribute a join pg_class c on c.oid = a.attrelid
    where a.attidentity <> '' and not a.attisdropped and c.relkind = 'r' and c.relnamespace = current_schema()::regnamespace`.execute(tx)
  for (const { name, column } of rows) {
    await sql`select setval(pg_get_serial_sequence(${name}, ${column}), coalesce(max(${sql.ref(column)}), 0) + 1, false) from ${sql.table(name)}`.execute(
      tx,
    )
  }
}
