// Whose turn it is among commits that are reached at the same time. git has all commits on the way in hand, the youngest first and of equally old ones
// the one that it met first; so which of two ends comes first is found by going both ways side by side, from where they part.
import type { CommitRows } from './commit-rows.ts'

/** A commit that is to be listed, and how it was come to. */
export interface Waiting {
  readonly row: number
  /** The lowest time on the way from the listed commit before it. */
  readonly time: number
  /** The listed commit that it was come to from, by which of its parents; null: it is the first. */
  readonly from: Waiting | null
  readonly place: number
  readonly depth: number
  /** Lines of first parents that were gone along, each from its youngest row to the oldest. */
  readonly way: readonly (readonly [from: number, to: number])[]
}

/** Longer ways aren't gone: then the one that was met first is the first. */
const longestWay = 4096

/** Does `a` come before `b`, where both have the same time? */
export function comesFirst(rows: CommitRows, a: Waiting, b: Waiting): boolean {
  const [left, right] = [[a], [b]] // the ways' parts, the last first
  let [x, y] = [a, b]
  while (x.from !== y.from) {
    if (x.depth >= y.depth) {
      x = x.from as Waiting
      left.push(x)
    } else {
      y = y.from as Waiting
      right.push(y)
    }
  }
  const [mine, others] = [timesOf(rows, left), timesOf(rows, right)]
  if (mine === null || others === null) return x.place < y.place
  return endsFirst(mine, others, x.place < y.place)
}

/** Times of all commits on the way. */
function timesOf(rows: CommitRows, parts: readonly Waiting[]): number[] | null {
  const times: number[] = []
  for (const { way } of parts.toReversed()) {
    for (const [from, to] of way) {
      for (let row = from; ; row = rows.parent(row, 0)) {
        if (times.push(rows.time(row)) > longestWay) return null
        if (row === to) break
      }
    }
  }
  return times
}

/** @param isFirst whether the first way's beginning was met first */
function endsFirst(a: readonly number[], b: readonly number[], isFirst: boolean): boolean {
  let [i, j] = [0, 0]
  let [metA, metB] = isFirst ? [0, 1] : [1, 0]
  for (let clock = 2; i < a.length && j < b.length; clock++) {
    const [left, right] = [a[i] as number, b[j] as number]
    if (left > right || (left === right && metA < metB)) {
      i++
      metA = clock
    } else {
      j++
      metB = clock
    }
  }
  return i === a.length
}
