// The commits that a client lacks: reachable from what it wants, not from what it has (rev-list's limiting, in numbers).
// Marks stand in one byte for each number of the set; they are the request's own.
import { objectSteps, type Pace } from './pace.ts'
import type { PacedRepository } from './repository.ts'

/** What is known of an object in this request; bits of one byte. */
export const Mark = {
  /** To be sent. */
  send: 1,
  /** The client surely has it. */
  client: 2,
  /** A commit that was met by the walk. */
  seen: 4,
  /** A commit whose parents count as none: a shallow boundary. */
  graft: 8,
  /** A commit that was walked while `client` was not set. */
  listed: 16,
  /** Free for one short search at a time. */
  temporary: 32,
} as const
/** A number's marks are below this. */
export const markValues = 64

export interface CommitList {
  readonly commits: readonly number[]
  /** For each: a child that stands before it in the list, or −1. Their trees are nearly the same. */
  readonly children: readonly number[]
}

/** How many commits that the client has are looked at beyond the last one that it lacks, for clocks that were wrong (as git). */
const slop = 5

/**
 * Commits reachable from `starts` and not from `ends`, children before parents; newest first where `ends` are given. Sets `client` on the ends' closure as far as
 * the walk went, `seen` on everything that it met. Grafted commits have no parents.
 * @throws CorruptError when a commit can't be read
 */
export async function walkCommits(
  repository: PacedRepository,
  marks: Uint8Array,
  starts: Iterable<number>,
  ends: Iterable<number>,
): Promise<CommitList> {
  const walk = new CommitWalk(repository, marks)
  for (const end of ends) await walk.push(end, true)
  const limited = !walk.empty
  for (const start of starts) await walk.push(start, false)
  return limited ? await walk.limit() : await walk.all()
}

class CommitWalk {
  readonly #commits: PacedRepository['commits']
  readonly #pace: Pace
  readonly #marks: Uint8Array
  readonly #queue: number[] = [] // a heap: the newest first
  readonly #children = new Map<number, number>()
  #wanted = 0 // in the queue without `client`

  constructor(repository: PacedRepository, marks: Uint8Array) {
    this.#commits = repository.commits
    this.#pace = repository.pace
    this.#marks = marks
  }

  get empty(): boolean {
    return this.#queue.length === 0
  }

  async push(number: number, has: boolean): Promise<void> {
    const turn = this.#pace.turn(objectSteps)
    if (turn) await turn
    const loading = this.#commits.load(number)
    if (loading) await loading
    this.#meet(number, has)
  }

  /** Every commit that can be reached, depth first: a parent soon after its child, while the child's trees are still at hand. */
  async all(): Promise<CommitList> {
    const marks = this.#marks
    const commits: number[] = []
    const children: number[] = []
    const stack = [...this.#queue]
    const stackChildren = stack.map(() => -1)
    for (let commit = stack.pop(); commit !== undefined; commit = stack.pop()) {
      const turn = this.#pace.turn(objectSteps)
      if (turn) await turn
      commits.push(commit)
      children.push(stackChildren.pop() as number)
      const parents = (marks[commit] as number) & Mark.graft ? 0 : this.#commits.parentCount(commit)
      for (let place = parents - 1; place >= 0; place--) {
        const parent = this.#commits.parent(commit, place)
        if ((marks[parent] as number) & (Mark.seen | Mark.send)) continue
        marks[parent] = (marks[parent] as number) | Mark.seen
        const loading = this.#commits.load(parent)
        if (loading) await loading
        stack.push(parent)
        stackChildren.push(commit)
      }
    }
    return { commits, children }
  }

  async limit(): Promise<CommitList> {
    const marks = this.#marks
    const list: number[] = []
    let left = slop
    let oldest = Number.POSITIVE_INFINITY
    while (this.#queue.length > 0) {
      const turn = this.#pace.turn(objectSteps)
      if (turn) await turn
      const commit = this.#pop()
      const has = ((marks[commit] as number) & Mark.client) !== 0
      if (!has) {
        this.#wanted--
        marks[commit] = (marks[commit] as number) | Mark.listed
        list.push(commit)
        oldest = this.#commits.time(commit)
      }
      const parents = (marks[commit] as number) & Mark.graft ? 0 : this.#commits.parentCount(commit)
      for (let p = 0; p < parents; p++) {
        const parent = this.#commits.parent(commit, p)
        const loading = this.#commits.load(parent)
        if (loading) await loading
        if (!has && !((marks[parent] as number) & Mark.seen)) this.#children.set(parent, commit)
        this.#meet(parent, has)
      }
      if (!has) continue
      if (this.#wanted > 0 || this.#newestQueued() >= oldest) left = slop
      else if (--left <= 0) break
    }
    const commits = list.filter((commit) => ((marks[commit] as number) & Mark.client) === 0)
    return { commits, children: commits.map((commit) => this.#children.get(commit) ?? -1) }
  }

  #newestQueued(): number {
    return this.#queue.length === 0 ? Number.NEGATIVE_INFINITY : this.#commits.time(this.#queue[0] as number)
  }

  #meet(number: number, has: boolean): void {
    const mark = this.#marks[number] as number
    if (!(mark & Mark.seen)) {
      this.#marks[number] = mark | Mark.seen | (has ? Mark.client : 0)
      if (!has) this.#wanted++
      this.#enqueue(number)
    } else if (has && !(mark & Mark.client)) {
      this.#giveClient(number)
    }
  }

  /** A commit that was met as wanted turns out to be the client's: so are its ancestors, as far as they were met. */
  #giveClient(number: number): void {
    const stack = [number]
    for (let commit = stack.pop(); commit !== undefined; commit = stack.pop()) {
      const mark = this.#marks[commit] as number
      if (mark & Mark.client) continue
      this.#marks[commit] = mark | Mark.client
      if (!(mark & Mark.listed)) {
        this.#wanted-- // still queued; hands the mark on when it is taken
        continue
      }
      const parents = mark & Mark.graft ? 0 : this.#commits.parentCount(commit)
      for (let p = 0; p < parents; p++) stack.push(this.#commits.parent(commit, p))
    }
  }

  #enqueue(number: number): void {
    const queue = this.#queue
    const time = this.#commits.time(number)
    let at = queue.push(number) - 1
    while (at > 0) {
      const above = (at - 1) >> 1
      if (this.#commits.time(queue[above] as number) >= time) break
      queue[at] = queue[above] as number
      at = above
    }
    queue[at] = number
  }

  #pop(): number {
    const queue = this.#queue
    const top = queue[0] as number
    const last = queue.pop() as number
    if (queue.length === 0) return top
    const time = this.#commits.time(last)
    let at = 0
    for (;;) {
      let below = at * 2 + 1
      if (below >= queue.length) break
      if (below + 1 < queue.length && this.#commits.time(queue[below + 1] as number) > this.#commits.time(queue[below] as number)) below++
      if (this.#commits.time(queue[below] as number) <= time) break
      queue[at] = queue[below] as number
      at = below
    }
    queue[at] = last
    return top
  }
}
