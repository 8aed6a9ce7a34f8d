// Brings the schema up to date, and refuses a database that this server can't run on. The SQL files in migrations/ are dbmate's; its
// program (inside an npm package) applies them, each in a transaction of its own, while we hold an advisory lock: nodes that start
// together do it one after the other, and all but the first find nothing to do.
import { execFile } from 'node:child_process'
import { readdir } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import { type Log, UnavailableError } from '../base/index.ts'
import { sqlState } from './connection.ts'
import { oldestPostgres, schemaVersion } from './schema-version.ts'

const run = promisify(execFile)
export const migrationsFolder = join(import.meta.dirname, 'migrations')

/** Held while a schema is looked at and changed; two halves of "stemma" in ASCII, nothing else locks this number. */
const advisoryLock = [0x7374656d, 0x6d61] as const

export interface MigrateOptions {
  readonly url: string
  readonly log: Log
  /** False: only check. */
  readonly mayApply: boolean
  readonly folder?: string
  /** Ends it: what a migration had not committed did not happen. */
  readonly signal?: AbortSignal
}

export interface SchemaState {
  /** Versions (the digits that begin a migration's file name) that the database has and this server knows. */
  readonly applied: readonly string[]
  readonly pending: readonly string[]
  /** Applied by a newer server. */
  readonly unknown: readonly string[]
  readonly floor: number
}

/**
 * Applies what is pending and returns the versions that were. UnavailableError: 'old-postgresql', 'newer-schema' (a breaking migration
 * of a newer server), 'outdated-schema' (pending, and mayApply is false), 'migration-failed' (with dbmate's words), 'database-unavailable'
 * (names host and port). When the signal fires: its reason.
 */
export async function migrate(options: MigrateOptions): Promise<readonly string[]> {
  const folder = options.folder ?? migrationsFolder
  const { signal } = options
  signal?.throwIfAborted()
  const client = new pg.Client({ connectionString: options.url, application_name: 'stemma migrate', connectionTimeoutMillis: 10_000 })
  client.on('error', () => {})
  // Whoever waits for an answer or a lock then is told that the connection is gone.
  const cut = (): void => void client.connection.stream.destroy()
  signal?.addEventListener('abort', cut, { once: true })
  try {
    await connect(client)
    await assertServer(client)
    const before = await readSchemaState(client, folder)
    assertRunnable(before)
    if (before.unknown.length > 0)
      options.log.warn({ versions: before.unknown }, 'the database has migrations of a newer Stemma; they do not bar this one')
    if (before.pending.length === 0) return []
    if (!options.mayApply) {
      throw new UnavailableError('outdated-schema', `the database lacks the migrations ${before.pending.join(', ')}: run 'stemma migrate'`)
    }
    return await applyLocked(client, options, folder)
  } catch (error) {
    signal?.throwIfAborted()
    throw error
  } finally {
    signal?.removeEventListener('abort', cut)
    await client.end().catch(() => {})
  }
}

/** Runs dbmate on a database: `up`, `down`, `status`; its output. UnavailableError 'migration-failed' with its words. */
export async function runDbmate(url: string, command: string, folder: string = migrationsFolder, signal?: AbortSignal): Promise<string> {
  const program = createRequire(import.meta.url).resolve(`@dbmate/${process.platform}-${process.arch}/bin/dbmate`)
  const flags = ['--env', 'DBMATE_URL', '--no-dump-schema', '--migrations-dir', folder, command]
  try {
    // The URL holds a password, so it goes by the environment, which other users of the machine can't list.
    const done = await run(program, flags, {
      env: { DBMATE_URL: dbmateUrl(url) },
      cwd: folder,
      maxBuffer: 16 << 20,
      ...(signal ? { signal } : {}),
    })
    return done.stdout
  } catch (error) {
    const words = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : ''
    throw new UnavailableError('migration-failed', `dbmate ${command} failed: ${words}`, { cause: error })
  }
}

async function applyLocked(client: pg.Client, options: MigrateOptions, folder: string): Promise<readonly string[]> {
  await client.query('select pg_advisory_lock($1, $2)', [...advisoryLock])
  try {
    const { pending } = await readSchemaState(client, folder)
    if (pending.length === 0) return []
    options.log.info({ versions: pending }, 'applying migrations')
    // `migrate`, not `up`: `up` would want the right to create databases.
    await runDbmate(options.url, 'migrate', folder, options.signal)
    const after = await readSchemaState(client, folder)
    assertRunnable(after)
    if (after.pending.length > 0) throw new UnavailableError('migration-failed', `dbmate left ${after.pending.join(', ')} undone`)
    return pending
  } finally {
    await client.query('select pg_advisory_unlock($1, $2)', [...advisoryLock]).catch(() => {})
  }
}

/** Its error is the operator's first sight of a wrong DATABASE_URL: where we asked, and what came of it; never the password. */
async function connect(client: pg.Client): Promise<void> {
  try {
    await client.connect()
  } catch (cause) {
    const place = client.host.startsWith('/') ? client.host : `${client.host}:${client.port}`
    const { message } = cause instanceof Error ? cause : { message: String(cause) }
    const reason = message === '' ? (sqlState(cause) ?? 'no answer') : message
    throw new UnavailableError('database-unavailable', `cannot connect to the database at ${place}: ${reason}`, { cause })
  }
}

async function assertServer(client: pg.Client): Promise<void> {
  const found = await client.query(
    `select current_setting('server_version_num')::int as version, current_setting('server_encoding') as encoding`,
  )
  const { version, encoding } = found.rows[0] as { version: number; encoding: string }
  if (version < oldestPostgres) {
    throw new UnavailableError(
      'old-postgresql',
      `PostgreSQL ${Math.floor(version / 10_000)} is too old: Stemma needs ${oldestPostgres / 10_000} or newer`,
    )
  }
  if (encoding !== 'UTF8') throw new UnavailableError('database-encoding', `the database's encoding is ${encoding}; Stemma needs UTF8`)
}

/** What the database has compared with what the folder holds. */
export async function readSchemaState(client: pg.Client, folder: string = migrationsFolder): Promise<SchemaState> {
  const files = await readdir(folder)
  const known = files
    .filter((name) => name.endsWith('.sql'))
    .map((name) => /^\d+/.exec(name)?.[0] ?? name)
    .sort()
  const has = await client.query(
    `select to_regclass('schema_migrations') is not null as migrations, to_regclass('server_fact') is not null as facts`,
  )
  const tables = has.rows[0] as { migrations: boolean; facts: boolean }
  const applied = tables.migrations ? await column(client, 'select version as value from schema_migrations') : []
  const floor = tables.facts ? await column(client, `select value from server_fact where name = 'schema_floor'`) : []
  return {
    applied: known.filter((version) => applied.includes(version)),
    pending: known.filter((version) => !applied.includes(version)),
    unknown: applied.filter((version) => !known.includes(version)).sort(),
    floor: Number(floor[0] ?? 0),
  }
}

async function column(client: pg.Client, text: string): Promise<string[]> {
  const found = await client.query<{ value: string }>(text)
  return found.rows.map((row) => row.value)
}

function assertRunnable(state: SchemaState): void {
  if (state.floor <= schemaVersion) return
  throw new UnavailableError(
    'newer-schema',
    `the database was changed by a newer Stemma: it needs servers of schema version ${state.floor} or newer, and this one has ${schemaVersion}. ` +
      'Start the newer release',
  )
}

/**
 * dbmate's driver asks for TLS unless told otherwise, and ours doesn't: the same URL has to mean the same. It also wants the user
 * and a host part in the URL, and takes a socket's folder as `socket`.
 */
export function dbmateUrl(url: string): string {
  const parsed = new URL(url.replace('@/', '@socket.invalid/').replace(/^postgres(ql)?:/, 'postgres:'))
  const folder = parsed.searchParams.get('host')
  if (folder?.startsWith('/') === true) {
    parsed.searchParams.delete('host')
    parsed.searchParams.set('socket', folder)
    parsed.searchParams.delete('sslmode')
  } else if (!parsed.searchParams.has('sslmode')) {
    parsed.searchParams.set('sslmode', 'disable')
  }
  return parsed.hostname === 'socket.invalid' ? parsed.href.replace('@socket.invalid/', '@/') : parsed.href
}
