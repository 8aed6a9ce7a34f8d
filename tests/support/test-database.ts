// A database for one suite, with all migrations: cloned from a template, so it costs some milliseconds. It stands in the PostgreSQL that
// DATABASE_URL names (the role must be allowed to create databases), or else in an embedded one that all test files share.
import { spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { readFileSync, readdirSync } from 'node:fs'
import { type Socket, connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { makeLog } from '../../src/base/index.ts'
import { Database, migrate } from '../../src/db/index.ts'
import { migrationsFolder } from '../../src/db/migrate.ts'

export interface TestDatabase {
  readonly url: string
  readonly database: Database
  /** Ends its connections and drops it. */
  close(): Promise<void>
}

/** A fresh, migrated database. Close it in `after`. */
export async function testDatabase(poolSize = 8): Promise<TestDatabase> {
  const { url, drop } = await cloneDatabase(await makeTemplate())
  const database = new Database({ url, poolSize, log: makeLog('silent') })
  return {
    url,
    database,
    close: async () => {
      await database.close()
      await drop()
    },
  }
}

/** A fresh database without any table, for tests of the migrations themselves. */
export async function emptyDatabase(): Promise<{ readonly url: string; readonly drop: () => Promise<void> }> {
  return cloneDatabase('template0')
}

/** A URL of the PostgreSQL server whose role may create databases. */
export async function serverUrl(): Promise<string> {
  const given = process.env.DATABASE_URL
  if (given !== undefined && given !== '') return given
  keeper ??= askKeeper()
  return keeper
}

let keeper: Promise<string> | undefined
let template: Promise<string> | undefined

async function cloneDatabase(from: string): Promise<{ url: string; drop: () => Promise<void> }> {
  const server = await serverUrl()
  const name = `test_${process.pid}_${randomBytes(6).toString('hex')}`
  await query(server, `create database ${name} template ${from}`)
  return { url: withDatabase(server, name), drop: () => query(server, `drop database if exists ${name} with (force)`) }
}

/** The name of a database with this checkout's migrations, made by whoever comes first. */
function makeTemplate(): Promise<string> {
  template ??= (async () => {
    const server = await serverUrl()
    const hash = createHash('sha256')
    for (const file of readdirSync(migrationsFolder).sort()) hash.update(file).update(readFileSync(join(migrationsFolder, file)))
    const name = `stemma_template_${hash.digest('hex').slice(0, 16)}`
    const client = new pg.Client({ connectionString: server })
    await client.connect()
    try {
      await client.query(`select pg_advisory_lock(hashtext($1))`, [name])
      const found = await client.query('select datistemplate as done from pg_database where datname = $1', [name])
      if (found.rows[0]?.done === true) return name
      // Half made by a run that was killed.
      if (found.rowCount !== 0) await client.query(`drop database ${name} with (force)`)
      await client.query(`create database ${name} template template0`)
      await migrate({ url: withDatabase(server, name), log: makeLog('silent'), mayApply: true })
      await client.query(`alter database ${name} is_template true`)
      return name
    } finally {
      await client.end()
    }
  })()
  return template
}

function withDatabase(url: string, name: string): string {
  return url.replace(/^([a-z]+:\/\/[^/?]*)(?:\/[^?]*)?/, (_, start: string) => `${start}/${name}`)
}

/** One statement, on a connection of its own. */
export async function query(url: string, text: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(text)
  } finally {
    await client.end()
  }
}

/** The shared PostgreSQL's URL. The connection stays open: it is what keeps the keeper running. */
async function askKeeper(): Promise<string> {
  const checkout = createHash('sha256')
    .update(import.meta.dirname)
    .digest('hex')
    .slice(0, 16)
  const name = `stemma-tests-${process.getuid?.() ?? 0}-${checkout}`
  for (let tries = 0; tries < 200; tries++) {
    const answer = await askOnce(`\0${name}`)
    if (answer?.startsWith('postgres') === true) return answer
    if (answer !== null) throw new Error(`the embedded PostgreSQL for tests did not start: ${answer}`)
    if (tries % 50 === 0) {
      const environment = { ...process.env }
      delete environment.NODE_TEST_CONTEXT
      spawn(process.execPath, [join(import.meta.dirname, 'postgres-keeper.ts'), name], {
        detached: true,
        stdio: 'ignore',
        env: environment,
      }).unref()
    }
    await sleep(50)
  }
  throw new Error('the embedded PostgreSQL for tests did not start in time')
}

/** The first line that comes, or null when nobody listens. */
function askOnce(path: string): Promise<string | null> {
  return new Promise((resolve) => {
    const socket: Socket = connect({ path })
    let text = ''
    socket.on('data', (chunk) => {
      text += chunk.toString()
      if (!text.includes('\n')) return
      socket.unref()
      resolve(text.trim())
    })
    socket.on('error', () => resolve(null))
    socket.on('close', () => resolve(null))
  })
}
