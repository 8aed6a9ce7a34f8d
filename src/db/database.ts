// The database as other rooms use it: typed queries (kysely over the generated schema) and transactions.
import {
  type ControlledTransaction,
  Kysely,
  PostgresDialect,
  type PostgresPool,
  type RawBuilder,
  type SelectQueryBuilder,
  type Transaction,
  sql,
} from 'kysely'
import { setTimeout as sleep } from 'node:timers/promises'
import { UnavailableError } from '../base/index.ts'
import { type PoolOptions, PreparingPool, sqlState } from './connection.ts'
import type { DB } from './schema.gen.ts'
import { schemaVersion } from './schema-version.ts'
import { Snapshots } from './snapshots.ts'

/** Builds and runs queries, in a transaction or outside of one: what functions that only query should ask for. Names are SQL's own (snake_case). */
export type Queries = Kysely<DB>
export type { RawBuilder, SelectQueryBuilder, Transaction }
/** A transaction that is under way. */
export type Tx = Transaction<DB>

export interface TransactionOptions {
  /**
   * The function may run again from its start after a serialization failure, a deadlock or a stale plan: it must have no effects
   * outside of the transaction. At most 5 runs.
   */
  readonly mayRetry?: boolean
  readonly isolation?: 'read committed' | 'repeatable read' | 'serializable'
  readonly isReadOnly?: boolean
}

/** serialization_failure, deadlock_detected, and a statement prepared before a migration. */
const retryable = new Set(['40001', '40P01', '0A000'])
const mostRuns = 5

/** Whether it can't be known if the transaction counts: what it would have made visible must not be removed on that ground. */
export function isCommitUnknown(error: unknown): boolean {
  return error instanceof UnavailableError && error.code === 'commit-unknown'
}

/** Lives as long as the server. */
export class Database {
  readonly queries: Queries
  readonly snapshots: Snapshots
  readonly #pool: PreparingPool

  constructor(options: PoolOptions) {
    this.#pool = new PreparingPool(options)
    this.queries = new Kysely<DB>({ dialect: new PostgresDialect({ pool: this.#pool as unknown as PostgresPool }) })
    this.snapshots = new Snapshots(this.queries)
  }

  /** For whoever watches: connections now, statements so far. */
  get figures(): PreparingPool['connections'] & PreparingPool['counts'] {
    return { ...this.#pool.connections, ...this.#pool.counts }
  }

  /**
   * Runs the function in one transaction: commits when it resolves, rolls back when it throws (and rethrows). UnavailableError
   * 'database-unavailable' before COMMIT was sent: nothing happened. 'commit-unknown': the connection broke during COMMIT, so it may
   * or may not have happened; look before doing it again.
   */
  async transaction<T>(run: (tx: Tx) => Promise<T>, options: TransactionOptions = {}): Promise<T> {
    for (let runs = 1; ; runs++) {
      try {
        return await this.#once(run, options)
      } catch (error) {
        const mayRetry = options.mayRetry === true && runs < mostRuns && retryable.has(sqlState(error) ?? '')
        if (!mayRetry) throw error
        await sleep(runs * 10)
      }
    }
  }

  async #once<T>(run: (tx: Tx) => Promise<T>, options: TransactionOptions): Promise<T> {
    let start = this.queries.startTransaction()
    if (options.isolation !== undefined) start = start.setIsolationLevel(options.isolation)
    if (options.isReadOnly === true) start = start.setAccessMode('read only')
    const tx = await start.execute()
    let result: T
    try {
      result = await run(tx)
    } catch (error) {
      await release(tx)
      throw error
    }
    try {
      await tx.commit().execute()
    } catch (error) {
      await release(tx)
      if (error instanceof UnavailableError) {
        throw new UnavailableError('commit-unknown', 'the database went away during a commit', { cause: error })
      }
      throw error
    }
    return result
  }

  /** One round trip that throws UnavailableError when the database can't serve, or when its schema has become too new for this server. */
  async probe(): Promise<void> {
    const row = await this.queries.selectFrom('server_fact').select('value').where('name', '=', 'schema_floor').executeTakeFirst()
    if (row !== undefined && Number(row.value) > schemaVersion) {
      throw new UnavailableError(
        'newer-schema',
        `the database needs servers of schema version ${row.value} or newer; this one has ${schemaVersion}`,
      )
    }
  }

  /** Lets queries under way end, at most for `limitMs`, and ends all connections. */
  async close(limitMs = 5000): Promise<void> {
    const done = new AbortController()
    const limit = sleep(limitMs, undefined, { signal: done.signal }).then(
      () => this.#pool.cut(),
      () => {},
    )
    try {
      await Promise.race([this.queries.destroy(), limit])
    } finally {
      done.abort()
    }
  }
}

/**
 * Rolls back, which alone gives the connection back to the pool, also after a COMMIT that failed. A rollback that fails has lost its
 * connection, and with it the transaction.
 */
async function release(tx: ControlledTransaction<DB>): Promise<void> {
  await tx
    .rollback()
    .execute()
    .catch(() => {})
}

export { sql }
