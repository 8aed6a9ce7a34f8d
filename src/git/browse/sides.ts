// What two commits have in common and what each has alone: git's `rev-list --left-right --count` and `merge-base --all`, in one pass.
// Children are looked at before their parents: by the rows of the history table, which stand in that order, and before those by a walk over what
// the table doesn't have. So each commit is looked at once, and its marks are whole by then, whatever its date is.
import { stretch, stretchSteps, objectSteps } from '../upload-pack/pace.ts'
import type { PacedRepository } from '../upload-pack/repository.ts'

const left = 1
const right = 2
const both = 3
/** Below a common ancestor that was met. */
const stale = 4

export interface Sides {
  /** Common ancestors that no other one leads to. */
  readonly bases: readonly number[]
  readonly leftCount: number
  /** Commits that the right one alone leads to, itself among them. */
  readonly right: ReadonlySet<number>
}

export async function compareSides(repository: PacedRepository, leftCommit: number, rightCommit: number): Promise<Sides> {
  const sides = new SidesWalk(repository)
  await sides.walk(leftCommit, rightCommit)
  return sides
}

/** Tips of branches mostly, which many ask for. */
const mostCounts = 256

/** How many commits one leads to, itself among them. */
export async function countReached(repository: PacedRepository, commit: number): Promise<number> {
  const { reachedCounts: known } = repository
  const count = known.get(commit) ?? (await reachedFrom(repository, commit))
  known.delete(commit)
  known.set(commit, count)
  if (known.size > mostCounts) known.delete(known.keys().next().value as number)
  return count
}

async function reachedFrom(repository: PacedRepository, commit: number): Promise<number> {
  const order = await outsideOrder(repository, [commit])
  const { commits, history } = repository
  const rows = new Uint8Array(history.commits.length)
  let last = commits.row(commit)
  const mark = (number: number) => {
    const row = commits.row(number)
    if (row < 0) return
    rows[row] = 1
    last = Math.max(last, row)
  }
  mark(commit)
  for (const number of order) for (let place = 0; place < commits.parentCount(number); place++) mark(commits.parent(number, place))
  let count = order.length
  for (let row = last; row >= 0; row--) {
    if (row % stretch === 0) await repository.pace.turn(stretchSteps)
    if (rows[row] === 0) continue
    count++
    for (let at = history.firstParents[row] as number; at < (history.firstParents[row + 1] as number); at++)
      rows[history.parents[at] as number] = 1
  }
  return count
}

class SidesWalk implements Sides {
  readonly bases: number[] = []
  readonly right = new Set<number>()
  leftCount = 0
  readonly #repository: PacedRepository
  readonly #rows: Uint8Array
  readonly #outside = new Map<number, number>()
  /** Marked, not looked at yet, and not stale. */
  #open = 0
  #lastRow = -1

  constructor(repository: PacedRepository) {
    this.#repository = repository
    this.#rows = new Uint8Array(repository.history.commits.length)
  }

  async walk(leftCommit: number, rightCommit: number): Promise<void> {
    const { commits, history, pace } = this.#repository
    const order = await outsideOrder(this.#repository, [leftCommit, rightCommit])
    this.#mark(leftCommit, left)
    this.#mark(rightCommit, right)
    for (const commit of order) {
      const turn = pace.turn()
      if (turn) await turn
      const flags = this.#look(commit, this.#outside.get(commit) ?? 0)
      for (let place = 0; place < commits.parentCount(commit); place++) this.#mark(commits.parent(commit, place), flags)
    }
    for (let row = this.#lastRow; row >= 0 && this.#open > 0; row--) {
      if (row % stretch === 0) await pace.turn(stretchSteps)
      const marks = this.#rows[row] as number
      if (marks === 0) continue
      const flags = this.#look(history.commits[row] as number, marks)
      const end = history.firstParents[row + 1] as number
      for (let at = history.firstParents[row] as number; at < end; at++) this.#markRow(history.parents[at] as number, flags)
    }
  }

  /** What its parents are marked with. */
  #look(commit: number, marks: number): number {
    if (marks & stale) return marks
    this.#open--
    if (marks === both) this.bases.push(commit)
    else if (marks === left) this.leftCount++
    else this.right.add(commit)
    return marks === both ? both | stale : marks
  }

  #mark(commit: number, flags: number): void {
    const row = this.#repository.commits.row(commit)
    if (row >= 0) return this.#markRow(row, flags)
    const before = this.#outside.get(commit) ?? 0
    this.#outside.set(commit, this.#merged(before, flags))
  }

  #markRow(row: number, flags: number): void {
    this.#lastRow = Math.max(this.#lastRow, row)
    this.#rows[row] = this.#merged(this.#rows[row] as number, flags)
  }

  #merged(before: number, flags: number): number {
    const after = before | flags
    const wasOpen = before !== 0 && (before & stale) === 0
    const isOpen = (after & stale) === 0
    if (isOpen && !wasOpen) this.#open++
    if (!isOpen && wasOpen) this.#open--
    return after
  }
}

/** What the commits lead to and the history table doesn't have, children before parents; all of it is loaded then. */
async function outsideOrder({ commits, pace }: PacedRepository, starts: readonly number[]): Promise<number[]> {
  const order: number[] = []
  const seen = new Set<number>()
  for (const start of starts) {
    const stack: { commit: number; place: number }[] = []
    const enter = async (commit: number) => {
      if (seen.has(commit)) return
      seen.add(commit)
      const turn = pace.turn(objectSteps)
      if (turn) await turn
      const loading = commits.load(commit)
      if (loading) await loading
      if (commits.row(commit) < 0) stack.push({ commit, place: 0 })
    }
    await enter(start)
    for (let top = stack.at(-1); top; top = stack.at(-1)) {
      if (top.place < commits.parentCount(top.commit)) await enter(commits.parent(top.commit, top.place++))
      else {
        order.push(top.commit)
        stack.pop()
      }
    }
  }
  return order.reverse()
}
