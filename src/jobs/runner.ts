// Background work that one node at a time does. Each kind has a row in `job`; a node takes it by writing a lease (with the database's
// clock, so nodes' clocks don't matter), renews the lease while it works, and sets when the work is due next. A node that dies is
// overtaken when its lease ends. Invariant: a run whose lease was lost is told so by its signal; what it does must be safe to do twice.
import { setTimeout as sleep } from 'node:timers/promises'
import { type Log, type Randomness, type Tracer, UnavailableError } from '../base/index.ts'
import { type Database, type RawBuilder, sql } from '../db/index.ts'
import { findDue } from './due-work.ts'

export interface Job {
  /** Its name in the table; never reused for other work. */
  readonly kind: string
  /** From the end of one run to the start of the next; up to a tenth is added at random, so that nodes don't march in step. */
  readonly intervalMs: number
  /** How long a dead node keeps the work from the others. Default one minute. */
  readonly leaseMs?: number
  /** SQL that is false when there is nothing to do: then the work is left alone though it is due. Asked often: an index must answer it. */
  readonly work?: () => RawBuilder<boolean>
  /** Throws when it failed: it is then due again after at most a minute. */
  run(signal: AbortSignal): Promise<void>
}

export interface JobRunnerOptions {
  readonly database: Database
  readonly randomness: Randomness
  readonly log: Log
  readonly jobs: readonly Job[]
  /** Told of each run's end. */
  readonly observe?: (kind: string, seconds: number, isFailed: boolean) => void
  readonly tracer?: Tracer | undefined
  /** How often is looked for due work. Default: the shortest interval of all work, 5 s at most. */
  readonly pollMs?: number
}

const defaultLeaseMs = 60_000
const retryMs = 60_000

/** Lives as long as the server. */
export class JobRunner {
  readonly #options: JobRunnerOptions
  readonly #stop = new AbortController()
  readonly #running = new Map<string, Promise<void>>()
  #watching: Promise<void> = Promise.resolve()

  constructor(options: JobRunnerOptions) {
    this.#options = options
  }

  /** Begins to look for due work. Call once. */
  start(): void {
    this.#watching = this.#watch()
  }

  /** Tells running work to end, and waits for it. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#watching
    await Promise.all(this.#running.values())
  }

  /** Does the work if it is due and nobody else has it; true when it was done here. Throws what the work threw. */
  async runIfDue(kind: string): Promise<boolean> {
    const job = this.#options.jobs.find((one) => one.kind === kind)
    if (job === undefined) throw new RangeError(`no job of the kind ${kind}`)
    const holder = await this.#claim(job)
    if (holder === null) return false
    const failure = await this.#work(job, holder)
    await this.#release(job, holder, failure)
    if (failure !== null && !this.#stop.signal.aborted) throw failure
    return true
  }

  async #watch(): Promise<void> {
    const { database, jobs, pollMs = 5000 } = this.#options
    const waitMs = Math.min(pollMs, ...jobs.map((job) => job.intervalMs))
    while (!this.#stop.signal.aborted) {
      try {
        const idle = jobs.filter(({ kind }) => !this.#running.has(kind))
        for (const kind of await findDue(database.queries, idle)) this.#running.set(kind, this.#run(kind))
      } catch (error) {
        this.#tell(error, undefined)
      }
      await sleep(waitMs + this.#random(waitMs / 10), undefined, { signal: this.#stop.signal }).catch(() => {})
    }
  }

  async #run(kind: string): Promise<void> {
    try {
      await this.runIfDue(kind)
    } catch (error) {
      this.#tell(error, kind)
    } finally {
      this.#running.delete(kind)
    }
  }

  #tell(error: unknown, job: string | undefined): void {
    const level = error instanceof UnavailableError ? 'debug' : 'error'
    this.#options.log[level]({ err: error, job }, 'background work failed; it is tried again')
  }

  /** The id of this run, or null. */
  async #claim(job: Job): Promise<string | null> {
    const { queries } = this.#options.database
    const holder = this.#options.randomness.uuid()
    const leased = later(job.leaseMs ?? defaultLeaseMs)
    const taken = await queries
      .updateTable('job')
      .set({ holder, leased_until: leased })
      .where('kind', '=', job.kind)
      .where('due_at', '<=', sql<Date>`now()`)
      .where((where) => where.or([where('leased_until', 'is', null), where('leased_until', '<', sql<Date>`now()`)]))
      .executeTakeFirst()
    if (taken.numUpdatedRows > 0n) return holder
    const made = await queries
      .insertInto('job')
      .values({ kind: job.kind, holder, leased_until: leased })
      .onConflict((conflict) => conflict.doNothing())
      .executeTakeFirst()
    return (made.numInsertedOrUpdatedRows ?? 0n) > 0n ? holder : null
  }

  /** Runs it under a lease that is kept up; null, or what it threw. */
  async #work(job: Job, holder: string): Promise<Error | null> {
    const leaseMs = job.leaseMs ?? defaultLeaseMs
    const lost = new AbortController()
    const done = new AbortController()
    const renewing = this.#renew(job.kind, holder, leaseMs, lost, done.signal)
    const { observe, tracer } = this.#options
    const signal = AbortSignal.any([this.#stop.signal, lost.signal])
    const startMs = performance.now()
    const tell = (isFailed: boolean) => observe?.(job.kind, (performance.now() - startMs) / 1000, isFailed && !this.#stop.signal.aborted)
    try {
      await (tracer === undefined ? job.run(signal) : tracer.run(`job ${job.kind}`, 'internal', () => job.run(signal)))
      tell(false)
      return null
    } catch (error) {
      tell(true)
      return error instanceof Error ? error : new Error(String(error))
    } finally {
      done.abort()
      await renewing
    }
  }

  async #renew(kind: string, holder: string, leaseMs: number, lost: AbortController, done: AbortSignal): Promise<void> {
    let goodUntil = performance.now() + leaseMs
    while (!done.aborted) {
      await sleep(leaseMs / 3, undefined, { signal: done }).catch(() => {})
      if (done.aborted) return
      const asked = performance.now()
      try {
        const { numUpdatedRows } = await this.#options.database.queries
          .updateTable('job')
          .set({ leased_until: later(leaseMs) })
          .where('kind', '=', kind)
          .where('holder', '=', holder)
          .executeTakeFirst()
        if (numUpdatedRows === 0n) return lost.abort(new UnavailableError('lease-lost', `another node took over ${kind}`))
        goodUntil = asked + leaseMs
      } catch (error) {
        if (performance.now() > goodUntil - leaseMs / 6) {
          return lost.abort(new UnavailableError('lease-lost', `the lease of ${kind} could not be kept up`, { cause: error }))
        }
      }
    }
  }

  async #release(job: Job, holder: string, failure: Error | null): Promise<void> {
    const pauseMs = failure === null ? job.intervalMs + this.#random(job.intervalMs / 10) : Math.min(job.intervalMs, retryMs)
    await this.#options.database.queries
      .updateTable('job')
      .set({
        holder: null,
        leased_until: null,
        ended_at: sql<Date>`now()`,
        error: failure?.message ?? null,
        due_at: later(this.#stop.signal.aborted ? 0 : pauseMs),
      })
      .where('kind', '=', job.kind)
      .where('holder', '=', holder)
      .execute()
  }

  #random(below: number): number {
    const [a = 0, b = 0] = this.#options.randomness.bytes(2)
    return ((a * 256 + b) / 65_536) * below
  }
}

/** That many milliseconds from now, by the database's clock. */
function later(ms: number) {
  return sql<Date>`now() + ${Math.round(ms)} * interval '1 millisecond'`
}
