// A backup put into an empty place: keys first, then all rows in one transaction. Until that is committed nothing is there, and the same command
// begins anew; keys that were copied before stay.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type Clock, InputError, type Randomness } from '../base/index.ts'
import { type Bucket, openBucket, parseKey } from '../bucket/index.ts'
import { type Database, sql, type Tx } from '../db/index.ts'
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

export interface RestoreOptions {
  readonly folder: string
  readonly signal: AbortSignal
  readonly progress: (phase: string, done: number, total: number) => void
}

/**
 * @throws InputError `backup` (no backup there, or of a newer release), `not-empty`; CorruptError when a file of the backup isn't what was written;
 * UnavailableError; the signal's reason. No row is written then.
 * @returns the backup's manifest; `missing`: keys that rows name and that were in neither place. All else is put back
 */
export async function restore(parts: RestoreParts, { folder, signal, progress }: RestoreOptions): Promise<Manifest> {
  const { database, bucket, clock, randomness } = parts
  const manifest = await readManifest(folder)
  if (!manifest || !existsSync(join(folder, 'bucket'))) throw new InputError('backup', `${folder} holds no backup`)
  await assertFits(database, manifest)
  const copy = await openBucket({ kind: 'filesystem', folder: join(folder, 'bucket') }, { clock, randomness })
  try {
    let done = 0
    const keys: NamedKey[] = []
    for await (const named of copy.list('', signal)) keys.push(named)
    await copyKeys(copy, bucket, keys, signal, (bytes) => progress('copying keys', (done += bytes), manifest.keyBytes))
  } finally {
    await copy.close()
  }
  const missing = await database.transaction(async (tx) => {
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
  return { ...manifest, missing }
}

/** Keys that are not in the bucket, or of another size: the backup lacked them when it was made, or lost them since. */
async function lacking(bucket: Bucket, keys: readonly NamedKey[], signal: AbortSignal): Promise<readonly string[]> {
  const there = new Map<string, number>()
  for await (const { key, sizeBytes } of bucket.list('', signal)) there.set(key, sizeBytes)
  return keys.filter(({ key, sizeBytes }) => there.get(parseKey(key)) !== sizeBytes).map(({ key }) => key)
}

async function assertFits({ queries }: Database, { migrations, tables, stemma }: Manifest): Promise<void> {
  const known = new Set(await readMigrations(queries))
  const shapes = new Map((await readTables(queries)).map(({ name, columns }) => [name, new Set(columns)]))
  const isKnown =
    migrations.every((version) => known.has(version)) &&
    tables.every(({ name, columns }) => columns.every((column) => shapes.get(name)?.has(column)))
  if (!isKnown) throw new InputError('backup', `the backup was made by a newer release (${stemma}): restore it with that one`)
}

async function assertEmpty(tx: Tx): Promise<void> {
  for (const { name } of await readTables(tx)) {
    const { rows } = await sql`select 1 from ${sql.table(name)} limit 1`.execute(tx)
    if (rows.length > 0)
      throw new InputError('not-empty', `there is a Stemma already: the table ${name} has rows. Restore into an empty place`)
  }
}

/** New rows get numbers behind those that were put back. */
async function continueNumbers(tx: Tx): Promise<void> {
  const { rows } = await sql<{ name: string; column: string }>`
    select c.relname as name, a.attname as column from pg_attribute a join pg_class c on c.oid = a.attrelid
    where a.attidentity <> '' and not a.attisdropped and c.relkind = 'r' and c.relnamespace = current_schema()::regnamespace`.execute(tx)
  for (const { name, column } of rows) {
    await sql`select setval(pg_get_serial_sequence(${name}, ${column}), coalesce(max(${sql.ref(column)}), 0) + 1, false) from ${sql.table(name)}`.execute(
      tx,
    )
  }
}
