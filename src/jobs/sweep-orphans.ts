// Deletes keys that nothing refers to. Two sources: intent rows whose lease ended (the upload died, or its transaction never came), and
// key_deletion rows (someone dropped the last row that named the key).
// Order: an intent row turns into a key_deletion row in one transaction. From then on the upload's own transaction finds no intent row and
// can't make the key visible; only after that the key is deleted, then its row. Doing any of it twice does no harm.
import { type Log, UnavailableError } from '../base/index.ts'
import { type Bucket, parseKey } from '../bucket/index.ts'
import { type Database, sql } from '../db/index.ts'
import { keysAreFree } from './key-hold.ts'
import type { Job } from './runner.ts'

export interface Swept {
  /** Intent rows that had outlived their lease. */
  readonly orphans: number
  readonly deletedKeys: number
  /** Keys that could not be deleted now; they are tried again after five minutes. */
  readonly failures: number
}

const batchRows = 500
const parallelDeletes = 8
const retrySeconds = 300

/** One pass over everything that is due. Times are the database's. Stops between batches when the signal says so. */
export async function sweepOrphans(database: Database, bucket: Bucket, log: Log, signal?: AbortSignal): Promise<Swept> {
  let orphans = 0
  for (;;) {
    signal?.throwIfAborted()
    const turned = await expireIntents(database)
    orphans += turned
    if (turned < batchRows) break
  }
  let deletedKeys = 0
  let failures = 0
  for (;;) {
    signal?.throwIfAborted()
    const rows = await database.queries
      .selectFrom('key_deletion')
      .select('key')
      .where('not_before', '<=', sql<Date>`now()`)
      .where(keysAreFree)
      .orderBy('not_before')
      .limit(batchRows)
      .execute()
    if (rows.length === 0) return { orphans, deletedKeys, failures }
    const { gone, kept } = await deleteKeys(
      bucket,
      rows.map((row) => row.key),
      log,
      signal,
    )
    deletedKeys += gone.length
    failures += kept.length
    await database.queries.deleteFrom('key_deletion').where('key', '=', sql<string>`any(${gone}::text[])`).execute()
    await database.queries
      .updateTable('key_deletion')
      .set({ not_before: sql<Date>`now() + ${retrySeconds} * interval '1 second'` })
      .where('key', '=', sql<string>`any(${kept}::text[])`)
      .execute()
  }
}

/**
 * Deletes those of the keys that are due, without waiting for the next pass: memory of what was written a moment ago is then used again, instead of being written
 * to the disk. What fails is left to the sweeper.
 */
export async function sweepKeys(database: Database, bucket: Bucket, keys: readonly string[]): Promise<void> {
  const due = await database.queries
    .selectFrom('key_deletion')
    .select('key')
    .where('key', '=', sql<string>`any(${[...keys]}::text[])`)
    .where('not_before', '<=', sql<Date>`now()`)
    .where(keysAreFree)
    .execute()
  const gone = due.map((row) => row.key)
  await Promise.all(gone.map((key) => bucket.delete(parseKey(key))))
  await database.queries.deleteFrom('key_deletion').where('key', '=', sql<string>`any(${gone}::text[])`).execute()
}

/** All that is due, as leased work. */
export function orphanSweeper(database: Database, bucket: Bucket, log: Log, intervalMs = 60_000): Job {
  return {
    kind: 'sweep-orphans',
    intervalMs,
    work: () =>
      sql`(exists (select 1 from upload_intent where expires_at <= now()) or exists (select 1 from key_deletion where not_before <= now()))`,
    run: async (signal) => {
      const swept = await sweepOrphans(database, bucket, log, signal)
      if (swept.deletedKeys + swept.failures > 0) log.info(swept, 'swept keys that nothing refers to')
    },
  }
}

/** Turns one batch of expired intents into deletions; how many. Rows that an upload's transaction has locked are left for later. */
async function expireIntents(database: Database): Promise<number> {
  return database.transaction(
    async (tx) => {
      const expired = await tx
        .deleteFrom('upload_intent')
        .where('key', 'in', (from) =>
          from
            .selectFrom('upload_intent')
            .select('key')
            .where('expires_at', '<', sql<Date>`now()`)
            .limit(batchRows)
            .forUpdate()
            .skipLocked(),
        )
        .returning('key')
        .execute()
      if (expired.length === 0) return 0
      const keys = expired.map((row) => row.key)
      await sql`insert into key_deletion (key) select unnest(${keys}::text[]) on conflict do nothing`.execute(tx)
      return keys.length
    },
    { mayRetry: true },
  )
}

async function deleteKeys(
  bucket: Bucket,
  keys: readonly string[],
  log: Log,
  signal?: AbortSignal,
): Promise<{ gone: string[]; kept: string[] }> {
  const gone: string[] = []
  const kept: string[] = []
  const queue = [...keys]
  const work = async (): Promise<void> => {
    for (let key = queue.shift(); key !== undefined; key = queue.shift()) {
      try {
        await bucket.delete(parseKey(key), signal)
        gone.push(key)
      } catch (error) {
        kept.push(key)
        log[error instanceof UnavailableError ? 'warn' : 'error']({ err: error, key }, 'a key could not be deleted; it is tried again')
      }
    }
  }
  await Promise.all(Array.from({ length: parallelDeletes }, work))
  return { gone, kept }
}
