// The commits that git log lists for a path, in its order, out of the index. git goes from commit to commit, the youngest of those at hand first,
// and at a commit where the path is as in a parent to that parent alone. The index knows where each such way ends; what stands between only
// decides whose turn it is: a commit is reached when all that lie on the way to it were the youngest at hand, so it counts as old as the oldest of them.
import type { PacedRepository } from '../upload-pack/index.ts'
import type { Change, PathChanges } from './changes.ts'
import { coverCommit } from './cover.ts'
import { splitPath } from './changes.ts'

/** Rows by time, the youngest first; of equals the one that came first. */
class Queue {
  readonly #rows: number[] = []
  readonly #times: number[] = []
  readonly #places: number[] = []
  #pushed = 0

  get size(): number {
    return this.#rows.length
  }

  push(row: number, time: number): void {
    let at = this.#rows.length
    const place = this.#pushed++
    while (at > 0) {
      const above = (at - 1) >> 1
      if ((this.#times[above] as number) >= time) break
      this.#put(at, above)
      at = above
    }
    this.#set(at, row, time, place)
  }

  pop(): { readonly row: number; readonly time: number } {
    const top = { row: this.#rows[0] as number, time: this.#times[0] as number }
    const last = { row: this.#rows.pop() as number, time: this.#times.pop() as number, place: this.#places.pop() as number }
    const size = this.#rows.length
    if (size === 0) return top
    let at = 0
    for (;;) {
      let below = at * 2 + 1
      if (below >= size) break
      if (below + 1 < size && this.#isBefore(below + 1, this.#times[below] as number, this.#places[below] as number)) below++
      if (!this.#isBefore(below, last.time, last.place)) break
      this.#put(at, below)
      at = below
    }
    this.#set(at, last.row, last.time, last.place)
    return top
  }

  #isBefore(at: number, time: number, place: number): boolean {
    const own = this.#times[at] as number
    return own > time || (own === time && (this.#places[at] as number) < place)
  }

  #put(to: number, from: number): void {
    this.#set(to, this.#rows[from] as number, this.#times[from] as number, this.#places[from] as number)
  }

  #set(at: number, row: number, time: number, place: number): void {
    this.#rows[at] = row
    this.#times[at] = time
    this.#places[at] = place
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
  const queue = new Queue()
  const waiting = new Map<number, Change>()
  const listed = new Set<number>()
  const follow = (row: number) => {
    let time = Number.POSITIVE_INFINITY
    const change = index.lastChange(changes, row, (from, to) => {
      time = Math.min(time, rows.oldestTime(from, to))
    })
    if (change === null || time < since || listed.has(change.row)) return
    waiting.set(change.row, change)
    queue.push(change.row, time)
  }
  follow(start)
  while (queue.size > 0) {
    const turn = pace.turn(16)
    if (turn) await turn
    const { row } = queue.pop()
    if (listed.has(row)) continue
    listed.add(row)
    yield waiting.get(row) as Change
    waiting.delete(row)
    for (let place = 0; place < rows.parentCount(row); place++) follow(rows.parent(row, place))
  }
}
