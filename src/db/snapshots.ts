// Whether anything was committed since: PostgreSQL's own name for what a statement sees (pg_current_snapshot: which transactions count). While two statements see
// the same, whatever the first one read is what the second would read. Those who ask at the same time ask together, so that under load one small statement
// answers for many.
import { sql } from 'kysely'
import type { Database, Queries } from './database.ts'
import { type Fixed, fixedQuery } from './fixed-query.ts'

/** So many looks in a row that found something new: then it is cheaper to ask the question itself. */
const mostVain = 3
/** And after so many of those, whether it has grown quiet is looked at again. */
const vainPause = 50

/** Lives as long as its database. */
export class Snapshots {
  readonly #queries: Queries
  readonly #ask: Fixed<[], { snapshot: string }>
  /** Not sent yet: whoever comes now may still share it. */
  #next: Promise<string> | null = null
  #underWay: Promise<unknown> = Promise.resolve()
  #latest = ''
  #vain = 0

  constructor(queries: Queries) {
    this.#queries = queries
    this.#ask = fixedQuery((any) => any.selectNoFrom(sql<string>`pg_current_snapshot()::text`.as('snapshot')))
  }

  /** False where it is known, or likely by what the last looks found, that something was committed since: not worth another look. */
  mayStillBe(snapshot: string): boolean {
    if (snapshot !== this.#latest) return false
    if (this.#vain < mostVain) return true
    this.#vain = this.#vain > vainPause ? 0 : this.#vain + 1
    return false
  }

  /** What a statement has told. */
  saw(snapshot: string): void {
    this.#latest = snapshot
  }

  /** Asked after the call. */
  current(): Promise<string> {
    this.#next ??= this.#askNext()
    return this.#next
  }

  async #askNext(): Promise<string> {
    await this.#underWay
    await turn()
    this.#next = null
    const before = this.#latest
    const asked = this.#ask(this.#queries).then(([row]) => {
      if (row === undefined) throw new Error('a statement of one row had none')
      this.#vain = row.snapshot === before ? 0 : this.#vain + 1
      this.saw(row.snapshot)
      return row.snapshot
    })
    this.#underWay = asked.catch(() => {})
    return asked
  }
}

/**
 * One request's look at the database: what it asks of remembered queries is answered as of its first answer where that is known, without another look. For a request
 * that reads, soon after it came; nothing that writes, or waits for a client in between, goes by it.
 */
export class Moment {
  readonly database: Database
  /** What the first answer saw; null: nothing was asked yet. */
  snapshot: string | null = null

  constructor(database: Database) {
    this.database = database
  }
}

export function databaseOf(at: Database | Moment): Database {
  return at instanceof Moment ? at.database : at
}

/** When all that has arrived by now was looked at. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
