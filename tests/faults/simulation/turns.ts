// Whose turn it is: every statement and every request to the bucket waits for one, and one has it at a time. Which one is next is chosen by seed, out of all
// that wait, once nothing else can go on. So what several nodes do at once is interleaved in an order that the seed gives, step by step.
import { AsyncLocalStorage } from 'node:async_hooks'
import { setImmediate as immediate, setTimeout as sleep } from 'node:timers/promises'
import type { Seeded } from '../../support/seeded.ts'

/** Something that one node does: a push, a merge, a sweep. */
export interface Activity {
  /** In the order in which they begin. */
  readonly id: number
  name: string
  /** Turns that it waits for. */
  waiting: number
  /** Statements and requests of its that are under way, … */
  busy: number
  /** … and workers' jobs, which may be waiting for it. */
  jobs: number
  /** PostgreSQL's processes that its statements are with. */
  readonly processes: Set<number>
  /** It waits for something that another activity has: a row, or what isn't known here. */
  isLocked: boolean
  isStuck: boolean
  isOver: boolean
  /** Something was done for it whose end it could not know: a commit whose answer got lost, a death. */
  isDoubtful: boolean
}

interface Waiting {
  readonly activity: Activity
  readonly what: string
  readonly go: () => void
}

/** Nothing moves for so long, and something is under way: perhaps a row is locked. */
const lookMs = 3
/** After so many looks at which nothing was under way: it waits for another one. */
const looksUntilStuck = 5
/** A worker has been at it for so long: others go on. */
const patienceMs = 2000

export class Turns {
  readonly #random: Seeded
  readonly #locked: () => Promise<ReadonlySet<number>>
  readonly #storage = new AsyncLocalStorage<Activity>()
  readonly #waiting: Waiting[] = []
  /** Those that are over may have left something that goes on beside. */
  readonly #all: Activity[] = []
  readonly #background = newActivity(-1, 'background', true)
  /** Behind the run nobody need wait. */
  #isEnded = false
  #moved = Promise.withResolvers<void>()
  /** What had its turn, in order. */
  readonly history: string[] = []
  /** Turns that were given before all that was under way had come to rest. */
  hurried = 0

  /** @param locked PostgreSQL's processes that wait for what another transaction has locked */
  constructor(random: Seeded, locked: () => Promise<ReadonlySet<number>>) {
    this.#random = random
    this.#locked = locked
  }

  /** What runs now: of the activity that it was begun in. */
  get current(): Activity {
    return this.#storage.getStore() ?? this.#background
  }

  get openCount(): number {
    return this.#open().length
  }

  /** Begins an activity. What it throws is its own to catch. */
  start(name: string, run: () => Promise<void>): Activity {
    const activity = newActivity(this.#all.length, name)
    this.#all.push(activity)
    this.history.push(`begin ${name}`)
    void this.#storage.run(activity, async () => {
      await run()
      activity.isOver = true
      this.history.push(`end ${name}`)
      this.#tell()
    })
    return activity
  }

  /** Waits for a turn. */
  async wait(what: string): Promise<void> {
    if (this.#isEnded) return
    const activity = this.current
    const { promise, resolve } = Promise.withResolvers<void>()
    activity.waiting++
    activity.isStuck = false
    this.#waiting.push({ activity, what, go: resolve })
    this.#tell()
    await promise
  }

  /** A request that is under way until it ends, or a statement. @param process of PostgreSQL's, that it is with */
  async busy<T>(work: () => Promise<T>, process: number | null = null): Promise<T> {
    const { processes } = this.current
    if (process !== null) processes.add(process)
    try {
      return await this.#while('busy', work)
    } finally {
      if (process !== null) processes.delete(process)
    }
  }

  /** A transaction ended, or lost its connection: who waited for it may go on. */
  unlock(): void {
    for (const activity of this.#all) activity.isLocked = false
  }

  /** A worker's job. */
  async job<T>(work: () => Promise<T>): Promise<T> {
    return await this.#while('jobs', work)
  }

  async #while<T>(count: 'busy' | 'jobs', work: () => Promise<T>): Promise<T> {
    const activity = this.current
    activity[count]++
    activity.isStuck = false
    try {
      return await work()
    } finally {
      activity[count]--
      activity.isStuck = false
      this.#tell()
    }
  }

  /** Gives turns until nobody is left. @param more may begin one more activity, as if it had its turn; `over`: never again */
  async run(more: () => 'begun' | 'none' | 'over'): Promise<void> {
    for (;;) {
      await this.#rest()
      const begun = more()
      if (begun === 'begun') continue
      // in which order they came to wait, the machine has decided
      this.#waiting.sort((a, b) => a.activity.id - b.activity.id || (a.what < b.what ? -1 : 1))
      const [next] = this.#waiting.splice(this.#random.below(Math.max(1, this.#waiting.length)), 1)
      if (next) {
        next.activity.waiting--
        this.history.push(`${next.activity.name}: ${next.what}`)
        next.go()
      } else if (this.openCount === 0 && begun === 'over') {
        this.#isEnded = true
        return
      }
    }
  }

  #tell(): void {
    this.#moved.resolve()
    this.#moved = Promise.withResolvers<void>()
  }

  /** Until each activity waits for a turn, or for something that only another one's turn can bring. */
  async #rest(): Promise<void> {
    const since = performance.now()
    for (let looks = 0; ; ) {
      await immediate()
      const running = [...this.#all, this.#background].filter((one) => this.#isRunning(one))
      if (running.length === 0) {
        if (this.#waiting.length > 0 || this.openCount === 0) return
        for (const activity of this.#all) activity.isStuck = activity.isLocked = false
      }
      const { promise } = this.#moved
      if (await Promise.race([promise.then(() => true), sleep(lookMs, false)])) {
        looks = 0
        continue
      }
      looks++
      await this.#look(running, looks >= looksUntilStuck)
      if (performance.now() - since > patienceMs && this.#waiting.length > 0) {
        this.hurried++
        return
      }
    }
  }

  #open(): readonly Activity[] {
    return this.#all.filter(({ isOver }) => !isOver)
  }

  #isRunning(activity: Activity): boolean {
    if (activity.busy > 0) return !activity.isLocked
    return activity.waiting === 0 && !activity.isStuck && !activity.isOver
  }

  /** Nothing has moved for some time. */
  async #look(running: readonly Activity[], isLong: boolean): Promise<void> {
    const locked = running.some(({ processes }) => processes.size > 0) ? await this.#locked() : new Set()
    for (const activity of running) {
      const { busy, jobs, processes } = activity
      if (busy > 0) activity.isLocked = processes.size === busy && [...processes].every((process) => locked.has(process))
      else if (isLong && jobs === 0) activity.isStuck = true
    }
  }
}

function newActivity(id: number, name: string, isOver = false): Activity {
  return { id, name, waiting: 0, busy: 0, jobs: 0, processes: new Set(), isLocked: false, isStuck: false, isOver, isDoubtful: false }
}
