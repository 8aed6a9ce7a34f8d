// The commits that git log lists for a path, in its order, out of the index. git goes from commit to commit, the youngest of those at hand first,
// and at a commit where the path is as in a parent to that parent alone. The index knows where each such way ends; what stands between only
// decides whose turn it is: a commit is reached when all that lie on the way to it were the youngest at hand, so it counts as old as the oldest of them.
import type { PacedRepository } from '../upload-pack/index.ts'
import { type Change, type PathChanges, splitPath } from './changes.ts'
import type { CommitRows } from './commit-rows.ts'
import { coverCommit } from './cover.ts'
import { comesFirst, type Waiting } from './turns.ts'

/** The youngest first; of those with one time, the one whose turn it is. */
class Queue {
  readonly #rows: CommitRows
  readonly #heap: Waiting[] = []

  constructor(rows: CommitRows) {
    this.#rows = rows
  }

  push(waiting: Waiting): void {
    const heap = this.#heap
    let at = heap.push(waiting) - 1
    while (at > 0) {
      const above = (at - 1) >> 1
      if (!this.#isBefore(waiting, heap[above] as Waiting)) break
      heap[at] = heap[above] as Waiting
      at = above
    }
    heap[at] = waiting
  }

  pop(): Waiting | undefined {
    const heap = this.#heap
    const top = heap[0]
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return top
    let at = 0
    for (let below = 1; below < heap.length; below = at * 2 + 1) {
      if (below + 1 < heap.length && this.#isBefore(heap[below + 1] as Waiting, heap[below] as Waiting)) below++
      if (!this.#isBefore(heap[below] as Waiting, last)) break
      heap[at] = heap[below] as Waiting
      at = below
    }
    heap[at] = last
    return top
  }

  #isBefore(a: Waiting, b: Waiting): boolean {
    return a.time > b.time || (a.time === b.time && comesFirst(this.#rows, a, b))
  }
}

/**
 * Numbers of the commits that `git log COMMIT -- PATH` lists, in its order: those that have the path otherwise than each of their parents, on ways
 * where a parent that has it the same is followed alone.
 * @param commit number in the set @param path of a file or folder, no slash at either end, a character for each byte
 * @param since seconds since 1970: commits before it are left out, and what only they lead to
 * @throws as `coverCommit`
 */
export async function* pathHistory(
  repository: PacedRepository,
  commit: number,
  path: string,
  since: number | null = null,
): AsyncGenerator<number, void, undefined> {
  const { paths, set } = repository
  const row = await coverCommit(repository, commit)
  const changes = paths.changesOf(...splitPath(path))
  for await (const change of historyOf(repository, changes, row, since ?? Number.NEGATIVE_INFINITY)) {
    yield set.find(paths.rows.id(change.row), 0)
  }
}

/** The same as changes, from a row on. */
export async function* historyOf(
  { pace, paths: index }: PacedRepository,
  changes: readonly PathChanges[],
  start: number,
  since: number,
): AsyncGenerator<Change, void, undefined> {
  const { rows } = index
  const queue = new Queue(rows)
  const changeAt = new Map<number, Change>()
  const listed = new Set<number>()
  const follow = (row: number, from: Waiting | null, place: number) => {
    let time = Number.POSITIVE_INFINITY
    const way: [number, number][] = []
    const change = index.lastChange(changes, row, (young, old) => {
      time = Math.min(time, rows.oldestTime(young, old))
      way.push([young, old])
    })
    if (change === null || time < since || listed.has(change.row)) return
    changeAt.set(change.row, change)
    queue.push({ row: change.row, time, from, place, depth: (from?.depth ?? 0) + 1, way })
  }
  follow(start, null, 0)
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    const turn = pace.turn(16)
    if (turn) await turn
    if (listed.has(next.row)) continue
    listed.add(next.row)
    yield changeAt.get(next.row) as Change
    changeAt.delete(next.row)
    for (let place = 0; place < rows.parentCount(next.row); place++) follow(rows.parent(next.row, place), next, place)
  }
}
