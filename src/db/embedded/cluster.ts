// The cluster: PostgreSQL's own folder, made once. It is made under another name, flushed to disk, then renamed: a crash in between
// leaves nothing that a later start would take for a cluster.
import { execFile } from 'node:child_process'
import { chown, mkdir, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import { type Randomness, UnavailableError, hex, isSystemError } from '../../base/index.ts'
import type { Binaries } from './binaries.ts'
import type { Identity } from './identity.ts'

const run = promisify(execFile)

/** Folders and secrets of one embedded PostgreSQL. */
export interface ClusterPlace {
  /** Owned by the identity that runs PostgreSQL; holds everything below. */
  readonly folder: string
  readonly cluster: string
  /** The password of both roles: `postgres` (owner of the cluster) and `stemma` (owner of our database, no superuser). */
  readonly password: string
}

/** What a child of ours may see of an environment: nothing of the operator's. */
export function childEnvironment(binaries: Binaries): Record<string, string> {
  return { PATH: '/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC', LD_LIBRARY_PATH: binaries.libraryPath }
}

/** Makes the folder, so that library links can be put there; it is PostgreSQL's alone. */
export async function makePlace(folder: string, randomness: Randomness): Promise<ClusterPlace> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  return { folder, cluster: join(folder, 'cluster'), password: await keptPassword(join(folder, 'password'), randomness) }
}

/**
 * Makes the cluster where there is none yet. UnavailableError with initdb's own words when that fails; the signal's reason when that fires,
 * after initdb has ended.
 */
export async function makeCluster(place: ClusterPlace, binaries: Binaries, identity: Identity, signal?: AbortSignal): Promise<void> {
  if (identity.isOther) await chown(place.folder, identity.uid, identity.gid)
  if (await exists(join(place.cluster, 'PG_VERSION'))) return
  const fresh = `${place.cluster}.new`
  const passwordFile = join(place.folder, 'password.initdb')
  await rm(fresh, { recursive: true, force: true })
  await writeFile(passwordFile, place.password + '\n', { mode: 0o600 })
  if (identity.isOther) await chown(passwordFile, identity.uid, identity.gid)
  const flags = ['-D', fresh, '-U', 'postgres', '-A', 'scram-sha-256', `--pwfile=${passwordFile}`, '-E', 'UTF8', '--locale=C']
  flags.push('--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--no-instructions', '--sync-method=syncfs')
  const command = identity.command(binaries.initdb, flags)
  try {
    const running = run(command.program, command.args, { env: childEnvironment(binaries), cwd: '/', timeout: 300_000 })
    // Not as an option: that would not wait for its end, and it goes on writing until then.
    const end = (): void => void running.child.kill('SIGINT')
    signal?.addEventListener('abort', end, { once: true })
    await running.finally(() => signal?.removeEventListener('abort', end))
    signal?.throwIfAborted()
  } catch (error) {
    await rm(fresh, { recursive: true, force: true, maxRetries: 5 })
    signal?.throwIfAborted()
    const words = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : ''
    throw new UnavailableError('initdb', `PostgreSQL's initdb failed in ${place.folder}: ${words}`, { cause: error })
  } finally {
    await rm(passwordFile, { force: true })
  }
  await rename(fresh, place.cluster)
  await flushFolder(place.folder)
}

/** Makes our role and database where they are missing. The role is no superuser: a flaw in our SQL stays in our database. */
export async function makeDatabase(superuserUrl: string, password: string): Promise<void> {
  const client = new pg.Client({ connectionString: superuserUrl, connectionTimeoutMillis: 5000, query_timeout: 60_000 })
  // What breaks is told to who waits; without a listener it would end the process too.
  client.on('error', () => {})
  await client.connect()
  try {
    const role = await client.query(`select 1 from pg_roles where rolname = 'stemma'`)
    await client.query(`${role.rowCount === 0 ? 'create' : 'alter'} role stemma login password ${client.escapeLiteral(password)}`)
    const database = await client.query(`select 1 from pg_database where datname = 'stemma'`)
    if (database.rowCount === 0) await client.query('create database stemma owner stemma')
  } finally {
    await client.end()
  }
}

async function keptPassword(file: string, randomness: Randomness): Promise<string> {
  try {
    const kept = (await readFile(file, 'latin1')).trim()
    if (kept !== '') return kept
  } catch (error) {
    if (!isSystemError(error, 'ENOENT')) throw error
  }
  const password = hex(randomness.bytes(24))
  const handle = await open(`${file}.new`, 'w', 0o600)
  try {
    await handle.writeFile(password + '\n')
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(`${file}.new`, file)
  return password
}

async function flushFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path)
    return true
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return false
    throw error
  }
}
