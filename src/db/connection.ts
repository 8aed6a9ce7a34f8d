// How we talk to PostgreSQL: a pool whose statements are prepared once per connection and whose errors are sorted into our families.
// Invariants: every wait ends in a bounded time, whether PostgreSQL answers or not; a connection that broke is never asked again; no
// connection's end is an uncaught error.
import pg from 'pg'
import { childSpan, InputError, type Log, type Span, UnavailableError } from '../base/index.ts'

export interface PoolOptions {
  /** postgresql://… ; a Unix socket's folder goes in `?host=`. */
  readonly url: string
  readonly poolSize: number
  readonly log: Log
  /**
   * Default 30 s. PostgreSQL ends a statement that takes longer; when it doesn't do that either, the connection is given up a sixth
   * (at least 1 s) later.
   */
  readonly statementTimeoutMs?: number
  /** Longest wait for a connection: a new one, or one that somebody else has. Default 5 s. */
  readonly acquireTimeoutMs?: number
  /** Prepared statements; off for a PgBouncer that hands connections over between transactions. */
  readonly isPreparing?: boolean
}

const int8 = 20
const int8Array = 1016
/** int8 as a number: ids and sizes of ours stay below 2^53 (docs/decisions/0004-query-library.md). */
const types = {
  getTypeParser(oid: number, format?: 'text' | 'binary') {
    if (oid === int8 && format !== 'binary') return parseSafeInteger
    if (oid === int8Array && format !== 'binary') return parseSafeIntegers
    return pg.types.getTypeParser(oid, format as 'text')
  },
}

function parseSafeInteger(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value)) throw new RangeError(`bigint ${text} is outside of ±(2^53 − 1)`)
  return value
}

function parseSafeIntegers(text: string): number[] {
  const parse = pg.types.getTypeParser(int8Array as Parameters<typeof pg.types.getTypeParser>[0], 'text') as (text: string) => string[]
  return parse(text).map(parseSafeInteger)
}

const usualStatementTimeoutMs = 30_000

/** It outlives restarts of PostgreSQL: broken connections leave it, the next query makes new ones. */
function openPool(options: PoolOptions): pg.Pool {
  const statementTimeoutMs = options.statementTimeoutMs ?? usualStatementTimeoutMs
  const pool = new pg.Pool({
    connectionString: options.url,
    max: options.poolSize,
    types: types as pg.CustomTypesConfig,
    application_name: 'stemma',
    connectionTimeoutMillis: options.acquireTimeoutMs ?? 5000,
    idleTimeoutMillis: 60_000,
    keepAlive: true,
    statement_timeout: statementTimeoutMs,
    query_timeout: statementTimeoutMs + Math.max(1000, statementTimeoutMs / 6),
    lock_timeout: 15_000,
    idle_in_transaction_session_timeout: 60_000,
  })
  // Without a listener, an idle connection that breaks ends the whole process. The error carries the whole client: not into the log.
  // At the end it is no news: the embedded PostgreSQL stops while the last connections still say goodbye.
  pool.on('error', (error) => {
    if (!pool.ending) options.log.warn({ code: sqlState(error), reason: error.message }, 'an idle database connection broke')
  })
  // The same for one that is lent, whose query is told of it too. Here and not where it is lent: PostgreSQL's last words can come in one
  // packet with its first, and then the event is there before whoever waits for the connection runs.
  pool.on('connect', (client) => client.on('error', () => {}))
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
  readonly #log: Log
  readonly #names: StatementNames | null
  readonly #clients = new Map<pg.PoolClient, PreparingClient>()
  /** Statements so far, those that failed among them, and how long they took. */
  readonly counts = { statements: 0, failures: 0, ms: 0 }

  constructor(options: PoolOptions) {
    this.#pool = openPool(options)
    this.#log = options.log
    this.#names = (options.isPreparing ?? true) ? new StatementNames() : null
    this.#pool.on('remove', (client) => this.#clients.delete(client))
  }

  /** Connections now: all, those that nobody uses, and who waits for one. */
  get connections(): { readonly total: number; readonly idle: number; readonly waiting: number } {
    const { totalCount: total, idleCount: idle, waitingCount: waiting } = this.#pool
    return { total, idle, waiting }
  }

  async connect(): Promise<PreparingClient> {
    // from here to `release` is one group of statements: a transaction, or a statement by itself
    const span = childSpan('database', 'client')
    let client: pg.PoolClient
    try {
      client = await this.#pool.connect()
    } catch (error) {
      span?.end(error)
      throw asUnavailable(error)
    }
    let known = this.#clients.get(client)
    if (known === undefined) {
      known = new PreparingClient(client, this.#names, this.counts)
      this.#clients.set(client, known)
    }
    known.lend(span)
    return known
  }

  /** Waits until all connections were released, and ends them. */
  end(): Promise<void> {
    return this.#pool.end()
  }

  /** Breaks all connections: queries under way fail. */
  cut(): void {
    this.#log.warn({ connections: this.#clients.size }, 'database connections were cut off')
    for (const client of this.#clients.keys()) cut(client)
  }
}

/** Ends a connection without a word to PostgreSQL, which may not listen any more. */
function cut(client: pg.PoolClient): void {
  ;(client as unknown as pg.Client).connection.stream.destroy()
}

class PreparingClient {
  readonly #client: pg.PoolClient
  readonly #names: StatementNames | null
  readonly #counts: PreparingPool['counts']
  #broken: UnavailableError | null = null
  #span: Span | undefined
  #statements = 0

  constructor(client: pg.PoolClient, names: StatementNames | null, counts: PreparingPool['counts']) {
    this.#client = client
    this.#names = names
    this.#counts = counts
  }

  async query(text: string, values: readonly unknown[]): Promise<Answer> {
    // After a COMMIT that was refused there is nothing to roll back, but only `rollback` makes kysely release the connection.
    if (text === 'rollback' && this.#client.getTransactionStatus() === 'I') return { command: 'ROLLBACK', rowCount: null, rows: [] }
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

  /** Whoever has it now is traced by that span. */
  lend(span: Span | undefined): void {
    this.#span = span
    this.#statements = 0
  }

  release(): void {
    this.#span?.set({ 'db.system.name': 'postgresql', 'stemma.statements': this.#statements })
    this.#span?.end(this.#broken ?? undefined)
    this.#span = undefined
    // A connection that is ended politely is waited for, and this one may never answer.
    if (this.#broken !== null) cut(this.#client)
    this.#client.release(this.#broken !== null)
  }

  async #send(query: pg.QueryConfig): Promise<Answer> {
    if (this.#broken !== null) throw this.#broken
    if (this.#statements++ === 0) this.#span?.set({ 'db.query.text': query.text })
    this.#counts.statements++
    const startMs = performance.now()
    try {
      return await this.#client.query(query)
    } catch (error) {
      this.#counts.failures++
      const told = asUnavailable(error)
      // PostgreSQL says that it ends the connection some time before it does.
      if (told instanceof UnavailableError && told.code === 'database-unavailable') this.#broken = told
      throw told
    } finally {
      this.#counts.ms += performance.now() - startMs
    }
  }
}

/** What kysely reads of a result. */
type Answer = Pick<pg.QueryResult, 'command' | 'rowCount' | 'rows'>

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
  /^(Connection terminated|timeout exceeded when trying to connect|Query read timeout|Client (has encountered a connection error|was closed)|Cannot use a pool after)/

/** UnavailableError where the database, not the statement, is the trouble; InputError where a client's text is none of PostgreSQL's; else the error as it is. */
export function asUnavailable(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof UnavailableError) return error
  const state = sqlState(error)
  if (state === '22021') return new InputError('invalid', 'No text may hold a NUL character', { cause: error })
  if (state === '57014') return new UnavailableError('statement-timeout', 'the database took too long over a statement', { cause: error })
  if (state === '55P03') return new UnavailableError('lock-timeout', 'a row was locked for too long', { cause: error })
  const isConnection =
    state === undefined
      ? brokenConnection.test(error.message)
      : connectionStates.has(state) || state.startsWith('08') || systemErrors.has(state)
  return isConnection ? new UnavailableError('database-unavailable', 'the database does not answer', { cause: error }) : error
}
