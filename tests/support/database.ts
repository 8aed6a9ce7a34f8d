// Looks into the server's PostgreSQL and bucket folder: what did a request leave behind?
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import type { Server } from './server.ts'

/** The URL of a running server's database: the one that it was given, or the embedded one. */
export function databaseUrl({ data, env }: Server): string {
  if (env.DATABASE_URL !== undefined) return env.DATABASE_URL
  const folder = join(data, 'postgres')
  const socket = readFileSync(join(folder, 'cluster', 'postmaster.pid'), 'utf8').split('\n')[4] ?? join(folder, 'socket')
  const password = readFileSync(join(folder, 'password'), 'utf8').trim()
  return `postgres://stemma:${password}@/stemma?host=${encodeURIComponent(socket)}`
}

/** A connection to the database of a running server, as the server itself has. */
export async function openDatabase(server: Server): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: databaseUrl(server) })
  client.on('error', () => {}) // the server stops its PostgreSQL under us at the end
  await client.connect()
  return client
}

/** What is stored: rows of the tables that a push writes, keys, and files that wait to become keys. */
export interface Stored {
  readonly packs: number
  readonly refs: number
  readonly intents: number
  readonly reflogs: number
  readonly outbox: number
  readonly files: readonly string[]
}

export async function stored(server: Server, database: pg.Client): Promise<Stored> {
  const counts = await database.query<Record<'packs' | 'refs' | 'intents' | 'reflogs' | 'outbox', number>>(
    `select (select count(*)::int from pack) packs, (select count(*)::int from ref) refs, (select count(*)::int from reflog) reflogs,
            (select count(*)::int from upload_intent) intents, (select count(*)::int from outbox) outbox`,
  )
  const row = counts.rows[0]
  if (row === undefined) throw new Error('no counts')
  return {
    ...row,
    files: server
      .bucketFiles()
      .map((file) => file.path)
      .sort(),
  }
}

/** Waits up to `waitMs` for the server to clean up; then what is stored must equal what was. */
export async function assertStoredAgain(server: Server, database: pg.Client, before: Stored, waitMs = 5000): Promise<void> {
  const wanted = JSON.stringify(before)
  for (const deadline = performance.now() + waitMs; ; await sleep(50)) {
    const now = JSON.stringify(await stored(server, database))
    if (now === wanted) return
    if (performance.now() > deadline) throw new Error(`something was left behind:\nbefore ${wanted}\nnow    ${now}`)
  }
}
