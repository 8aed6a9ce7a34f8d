// How we talk to PostgreSQL: a pool whose statements are prepared once per connection and whose errors are sorted into our families.
import pg from 'pg'
import { type Log, UnavailableError } from '../base/index.ts'

export interface PoolOptions {
  /** postgresql://… ; a Unix socket's folder goes in `?host=`. */
  readonly url: string
  readonly poolSize: number
  readonly log: Log
  readonly statementTimeoutMs?: number
  /** Prepared statements; off for a PgBouncer that hands connections over between transactions. */
  readonly isPreparing?: boolean
}

const int8 = 20
/** int8 as a number: ids and sizes of ours stay below 2^53 (docs/decisions/0004-query-library.md). */
const types = {
  getTypeParser(oid: number, format?: 'text' | 'binary') {
    if (oid === int8 && format !== 'binary') return parseSafeInteger
    return pg.types.getTypeParser(oid, format as 'text')
  },
}

function parseSafeInteger(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value)) throw new RangeError(`bigint ${text} is outside of ±(2^53 − 1)`)
  return value
}

/** The pool. It outlives restarts of PostgreSQL: broken connections leave it, the next query makes new ones. */
export function openPool(options: PoolOptions): pg.Pool {
  const pool = new pg.Pool({
    connectionString: options.url,
    max: options.poolSize,
    types: types as pg.CustomTypesConfig,
    application_name: 'stemma',
    connectionTimeoutMillis: 5000,
    idleTimeoutMillis: 60_000,
    keepAlive: true,
    statement_timeout: options.statementTimeoutMs ?? 30_000,
    lock_timeout: 15_000,
    idle_in_transaction_session_timeout: 60_000,
  })
  // Without a listener, an idle connection that breaks ends the whole process.
  pool.on('error', (error) => options.log.warn({ err: error }, 'an idle database connection broke'))
  return pool
}

/** Distinct statement texts that are prepared by name; texts beyond that (built with values in them?) are sent unnamed. */
const mostNames = 2000

/** Which name a statement has on every connection of one pool. */
class StatementNames {
  #names = new Map<string, string>()
  #generation = 0

  of(text: string): string | undefined {
    let name = this.#names.get(text)
    if (name === undefined && this.#names.size < mostNames) {
      name = `s${this.#generation}_${this.#names.size}`
      this.#names.set(text, name)
    }
    return name
  }

  /** A migration made the plan behind that name useless: all statements get new names, so every connection prepares them again. */
  renew(name: string): void {
    if (!name.startsWith(`s${this.#generation}_`)) return
    this.#generation++
    this.#names = new Map()
  }
}

/** What kysely's dialect asks of a pool: `connect`, `end`, and of its clients `query(text, values)` and `release`. */
export class PreparingPool {
  readonly #pool: pg.Pool
  readonly #names: StatementNames | null
  readonly #clients = new WeakMap<pg.PoolClient, PreparingClient>()

  constructor(pool: pg.Pool, isPreparing: boolean) {
    this.#pool = pool
    this.#names = isPreparing ? new StatementNames() : null
  }

  async connect(): Promise<PreparingClient> {
    let client: pg.PoolClient
    try {
      client = await this.#pool.connect()
    } catch (error) {
      throw asUnavailable(error)
    }
    let known = this.#clients.get(client)
    if (known === undefined) {
      known = new PreparingClient(client, this.#names)
      this.#clients.set(client, known)
    }
    return known
  }

  end(): Promise<void> {
    return this.#pool.end()
  }
}

class PreparingClient {
  readonly #client: pg.PoolClient
  readonly #names: StatementNames | null
  #isBroken = false

  constructor(client: pg.PoolClient, names: StatementNames | null) {
    this.#client = client
    this.#names = names
    // A connection that breaks while it is lent reports to its query too; without a listener the event would end the process.
    client.on('error', () => {})
  }

  async query(text: string, values: readonly unknown[]): Promise<pg.QueryResult> {
    const name = values.length > 0 ? this.#names?.of(text) : undefined
    if (name === undefined) return this.#send({ text, values: [...values] })
    try {
      return await this.#send({ name, text, values: [...values] })
    } catch (error) {
      if (sqlState(error) !== stalePlan) throw error
      this.#names?.renew(name)
      // Refused before it ran, so it may run again, but for a transaction that is now aborted.
      if (this.#client.getTransactionStatus() !== 'I') throw error
      return this.#send({ text, values: [...values] })
    }
  }

  release(): void {
    this.#client.release(this.#isBroken)
  }

  async #send(query: pg.QueryConfig): Promise<pg.QueryResult> {
    try {
      return await this.#client.query(query)
    } catch (error) {
      const told = asUnavailable(error)
      // PostgreSQL says that it ends the connection some time before it does.
      if (told instanceof UnavailableError && told.code === 'database-unavailable') this.#isBroken = true
      throw told
    }
  }
}

/** `cached plan must not change result type`: a migration changed a table since this connection prepared its statement. */
const stalePlan = '0A000'

/** The five characters of a PostgreSQL error, or of Node's system error; undefined for others. */
export function sqlState(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

const connectionStates = new Set(['57P01', '57P02', '57P03', '53300', '25P03', '57P05'])
const systemErrors = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOENT',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
])
const brokenConnection =
  /^(Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error|Cannot use a pool after)/

/** UnavailableError where the database, not the statement, is the trouble; else the error as it is. */
export function asUnavailable(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof UnavailableError) return error
  const state = sqlState(error)
  if (state === '57014') return new UnavailableError('statement-timeout', 'the database took too long over a statement', { cause: error })
  if (state === '55P03') return new UnavailableError('lock-timeout', 'a row was locked for too long', { cause: error })
  const isConnection =
    state === undefined
      ? brokenConnection.test(error.message)
      : connectionStates.has(state) || state.startsWith('08') || systemErrors.has(state)
  return isConnection ? new UnavailableError('database-unavailable', 'the database does not answer', { cause: error }) : error
}
