// All that commits reach, marked: exactly, and in about as many steps as there are commits and objects, by the history table's lists.
// The commits of the table are taken in one sweep from the youngest row down, since parents stand in lower rows.
import { AddedObjects } from './added-objects.ts'
import { Mark } from './commit-walk.ts'
import { objectSteps } from './pace.ts'
import type { PacedRepository } from './repository.ts'
import { markTree } from './tree-walk.ts'

/**
 * Sets `mark` on the commits and all that they reach, but for what has one of the bits of `stopAt`. Commits that have `Mark.graft` have no
 * parents; whatever the parents of others reach must be marked by `mark` or `stopAt` in the end, or be reached here.
 * @throws CorruptError when something that has to be read can't be
 */
export async function markClosure(
  repository: PacedRepository,
  marks: Uint8Array,
  commits: Iterable<number>,
  mark: number,
  stopAt: number,
): Promise<void> {
  const walk = new ClosureWalk(repository, marks, mark, stopAt)
  for (const commit of commits) walk.push(commit)
  await walk.parsed()
  await walk.rows()
  await walk.trees()
}

class ClosureWalk {
  readonly #repository: PacedRepository
  readonly #marks: Uint8Array
  readonly #mark: number
  readonly #stopAt: number
  readonly #pending: Uint8Array // by row
  readonly #stack: number[] = [] // commits outside of the table
  readonly #trees: number[] = [] // of grafted commits: everything in them
  #adds: AddedObjects | undefined
  #left = 0 // pending rows
  #top = -1

  constructor(repository: PacedRepository, marks: Uint8Array, mark: number, stopAt: number) {
    this.#repository = repository
    this.#marks = marks
    this.#mark = mark
    this.#stopAt = stopAt | mark
    this.#pending = new Uint8Array(repository.history.commits.length)
  }

  push(commit: number): void {
    const row = this.#repository.commits.row(commit)
    if (row < 0) {
      if (this.#set(commit)) this.#stack.push(commit)
    } else if (this.#pending[row] === 0) {
      this.#pending[row] = 1
      this.#left++
      this.#top = Math.max(this.#top, row)
    }
  }

  async parsed(): Promise<void> {
    const { commits, pace } = this.#repository
    for (let commit = this.#stack.pop(); commit !== undefined; commit = this.#stack.pop()) {
      const turn = pace.turn(objectSteps)
      if (turn) await turn
      const loading = commits.load(commit)
      if (loading) await loading
      if ((this.#marks[commit] as number) & Mark.graft) {
        this.#trees.push(commits.tree(commit))
        continue
      }
      for (const number of await this.#addedBy(commit)) this.#set(number)
      for (let place = 0; place < commits.parentCount(commit); place++) this.push(commits.parent(commit, place))
    }
  }

  async rows(): Promise<void> {
    const { history, pace } = this.#repository
    const { commits, firstParents, parents } = history
    const pending = this.#pending
    for (let row = this.#top; this.#left > 0; row--) {
      if (pending[row] === 0) continue
      this.#left--
      const commit = commits[row] as number
      if (!this.#set(commit)) continue
      if ((this.#marks[commit] as number) & Mark.graft) {
        this.#trees.push(history.trees[row] as number)
        continue
      }
      const turn = pace.turn(1 + (this.#list(row) >> 7))
      if (turn) await turn
      for (let at = firstParents[row] as number; at < (firstParents[row + 1] as number); at++) {
        const parent = parents[at] as number
        if (pending[parent] !== 0) continue
        pending[parent] = 1
        this.#left++
      }
    }
  }

  /**
   * A mark that a list has set says nothing of what is below: a commit's list leaves out what its parents have, and a parent that is cut off is
   * what is walked here. So the walk stops only at what it has been through itself, or at what is whole without this closure.
   */
  async trees(): Promise<void> {
    if (this.#trees.length === 0) return
    const marks = this.#marks
    const been = Mark.temporary
    for (const tree of this.#trees) await markTree(this.#repository, marks, tree, this.#mark | been, (this.#stopAt & ~this.#mark) | been)
    for (let number = 0; number < marks.length; number++) marks[number] = (marks[number] as number) & ~been
  }

  /** Marks what the row's commit adds; returns how much that is. */
  #list(row: number): number {
    const { added, firstAdded } = this.#repository.history
    const from = firstAdded[row] as number
    const to = firstAdded[row + 1] as number
    const marks = this.#marks
    for (let at = from; at < to; at++) {
      const number = added[at] as number
      const present = marks[number] as number
      if ((present & this.#stopAt) === 0) marks[number] = present | this.#mark
    }
    return to - from
  }

  #set(number: number): boolean {
    const present = this.#marks[number] as number
    if (present & this.#stopAt) return false
    this.#marks[number] = present | this.#mark
    return true
  }

  /** What a commit outside of the table adds; kept where there is room, since every fetch asks again until the table is made anew. */
  async #addedBy(commit: number): Promise<readonly number[]> {
    const { added } = this.#repository
    let known = added.get(commit)
    if (!known) {
      this.#adds ??= new AddedObjects(this.#repository)
      known = await this.#adds.of(commit)
      added.keep(commit, known)
    }
    return known.added
  }
}
