// A query whose rows are remembered for as long as nothing was committed (snapshots.ts), and that runs once for all who ask at the same time: what every request of
// a hot path asks. Each answer is what the database held at some moment after the question, as without it; only its price is another.
import type { Compilable, CompiledQuery } from 'kysely'
import { Recent } from '../base/index.ts'
import { sqlState } from './connection.ts'
import type { Database, Queries } from './database.ts'
import { compile } from './fixed-query.ts'
import { databaseOf, Moment, turn } from './snapshots.ts'

export type ParameterType = 'bigint' | 'bytea' | 'text'
type Parameter = number | string | Uint8Array | null

export interface RememberedOptions<P extends readonly Parameter[], O> {
  /** Of the parameters, in order. */
  readonly types: { readonly [K in keyof P]: ParameterType }
  /** How much all that is remembered may weigh: rows, or what `weigh` says of each; an answer without any weighs 1. */
  readonly most: number
  readonly weigh?: (row: O) => number
  /** How many of the parameters, from the first on, the rows depend on; all without it. */
  readonly keyed?: number
}

/** Asked of the database as it is now, or as of a request's moment. */
export type RememberedQuery<P extends readonly Parameter[], O> = (at: Database | Moment, ...parameters: P) => Promise<readonly O[]>

/** The query that `build` makes, as `fixedQuery` takes it. Its rows are shared: they are for reading. */
export function rememberedQuery<P extends readonly Parameter[], O>(
  build: (queries: Queries, ...parameters: P) => Compilable<O>,
  options: RememberedOptions<P, O>,
): RememberedQuery<P, O> {
  const askers = new WeakMap<Database, Asker<P, O>>()
  return (at, ...parameters) => {
    const moment = at instanceof Moment ? at : null
    const database = databaseOf(at)
    let asker = askers.get(database)
    if (asker === undefined) {
      asker = new Asker(database, build, options)
      askers.set(database, asker)
    }
    return asker.ask(parameters, moment)
  }
}

/** Questions in one statement. */
const mostTogether = 100

interface Answer<O> {
  /** What its statement saw. */
  readonly snapshot: string
  readonly rows: readonly O[]
}

interface Question<P, O> {
  readonly key: string
  readonly parameters: P
  readonly answer: PromiseWithResolvers<Answer<O>>
}

/** Of a row: which question it answers, whether the query had it (a question without rows has one all the same), and what the statement saw. */
interface Told {
  readonly _question: number
  readonly _found: boolean | null
  readonly _snapshot: string
}

class Asker<P extends readonly Parameter[], O> {
  readonly #database: Database
  readonly #build: (queries: Queries, ...parameters: P) => Compilable<O>
  readonly #options: RememberedOptions<P, O>
  readonly #known: Recent<Answer<O>>
  #query: CompiledQuery<O & Told> | null = null
  #values: readonly unknown[] = []
  #waiting = new Map<string, Question<P, O>>()
  #isSending = false

  constructor(database: Database, build: (queries: Queries, ...parameters: P) => Compilable<O>, options: RememberedOptions<P, O>) {
    this.#database = database
    this.#build = build
    this.#options = options
    this.#known = new Recent(options.most)
  }

  async ask(parameters: P, moment: Moment | null): Promise<readonly O[]> {
    const key = keyOf(parameters, this.#options.keyed ?? parameters.length)
    const known = this.#known.get(key)
    if (known !== undefined && known.snapshot === moment?.snapshot) return known.rows
    const isStill = known !== undefined && (await this.#isStill(known))
    const { snapshot, rows } = isStill ? known : await this.#askTogether(key, parameters)
    if (moment !== null) moment.snapshot = snapshot
    return rows
  }

  /** Whether nothing was committed since. */
  async #isStill({ snapshot }: Answer<O>): Promise<boolean> {
    const { snapshots } = this.#database
    return snapshots.mayStillBe(snapshot) && snapshot === (await snapshots.current())
  }

  #askTogether(key: string, parameters: P): Promise<Answer<O>> {
    let question = this.#waiting.get(key)
    if (question === undefined) {
      question = { key, parameters, answer: Promise.withResolvers() }
      this.#waiting.set(key, question)
      if (!this.#isSending) void this.#sendAll()
    }
    return question.answer.promise
  }

  /** One statement after the other: whoever comes while one is under way shares the next. */
  async #sendAll(): Promise<void> {
    this.#isSending = true
    while (this.#waiting.size > 0) {
      await turn()
      const questions = [...this.#waiting.values()].slice(0, mostTogether)
      for (const { key } of questions) this.#waiting.delete(key)
      await this.#settle(questions)
    }
    this.#isSending = false
  }

  /**
   * Where a statement for several fails by what one of them asks, each is asked alone: what is wrong with one question is no other's fault. A database that doesn't
   * answer isn't asked a hundred times more.
   */
  async #settle(questions: readonly Question<P, O>[]): Promise<void> {
    try {
      await this.#send(questions)
    } catch (error) {
      if (questions.length > 1 && isOfData(error)) for (const question of questions) await this.#settle([question])
      else for (const { answer } of questions) answer.reject(error)
    }
  }

  async #send(questions: readonly Question<P, O>[]): Promise<void> {
    const { queries, snapshots } = this.#database
    this.#query ??= this.#together()
    const columns = this.#options.types.map((_, at) => questions.map(({ parameters }) => parameters[at]))
    const { rows } = await queries.executeQuery<O & Told>({ ...this.#query, parameters: [...columns, ...this.#values] })
    const [first] = rows
    if (first === undefined) throw new Error('a question got no row')
    const snapshot = first._snapshot
    snapshots.saw(snapshot)
    const answers: O[][] = questions.map(() => [])
    for (const row of rows) if (row._found === true) answers[row._question - 1]?.push(row)
    for (const [at, { key, answer }] of questions.entries()) {
      const found = answers[at] ?? []
      const weight = found.reduce((sum, row) => sum + (this.#options.weigh?.(row) ?? 1), 0)
      this.#known.set(key, { snapshot, rows: found }, Math.max(1, weight))
      answer.resolve({ snapshot, rows: found })
    }
  }

  /** The query for a list of questions: its parameters are columns of the list, so that PostgreSQL runs it for each. */
  #together(): CompiledQuery<O & Told> {
    const { types } = this.#options
    const { compiled, places } = compile(this.#database.queries, this.#build, types.length)
    const own = compiled.parameters.filter((_, at) => places[at] === -1)
    this.#values = own
    let owned = types.length
    const names = places.map((place) => (place === -1 ? `$${++owned}` : `question.p${place}`))
    const inner = compiled.sql.replaceAll(/\$(\d+)/g, (_, number: string) => names[Number(number) - 1] ?? '')
    // behind a subquery: where the planner saw how few questions there are, no plan for all times would seem as good to it, and it would plan anew each time
    const list = types.map((type, at) => `(select $${at + 1}::${type}[])`).join(', ')
    const text = `select question.n as _question, (select pg_current_snapshot()::text) as _snapshot, answer.*
      from unnest(${list}) with ordinality as question (${types.map((_, at) => `p${at}`).join(', ')}, n)
      left join lateral (select true as _found, asked.* from (${inner}) as asked) as answer on true`
    return { ...compiled, sql: text } as unknown as CompiledQuery<O & Told>
  }
}

/** Class 22, data exception: a parameter is none of its type. */
function isOfData(error: unknown): boolean {
  return sqlState(error)?.startsWith('22') === true
}

function keyOf(parameters: readonly Parameter[], count: number): string {
  return parameters
    .slice(0, count)
    .map((value) => (value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : String(value)))
    .join('\0')
}
