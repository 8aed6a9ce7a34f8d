// What is known of a network's paths: the stored parts of its path table, and behind them what came since, as far as somebody asked for it.
// Invariant: a commit that has a row has all its changes here, and so have all its ancestors.
import { CorruptError } from '../../base/index.ts'
import { hashBytes, type ObjectFormat } from '../format/object-id.ts'
import { decodePathTable, type PathTable } from '../format/path-table.ts'
import type { PathPartHandle } from '../odb/pack-handle.ts'
import { type Change, type ChangePart, isSameState, NewChanges, type PathChanges, StoredChanges } from './changes.ts'
import { CommitRows } from './commit-rows.ts'
import { KeptBlames } from './kept-blames.ts'

/** Without anything in it; for each row; for each change that isn't stored. */
const emptyBytes = 8 << 10
const rowBytes = 100
const changeBytes = 110

export class PathIndex {
  readonly format: ObjectFormat
  readonly rows: CommitRows
  /** What came behind the stored parts. */
  readonly fresh: NewChanges
  readonly blames = new KeptBlames()
  /** The keys of the stored parts. */
  readonly keys: readonly string[]
  /** The stored parts, in their order. */
  readonly stored: readonly StoredChanges[]
  /** Rows that they hold. */
  readonly storedRows: number
  readonly #parts: readonly ChangePart[]

  /** @throws CorruptError when a part isn't one of that format, or doesn't go on where the one before it ends */
  constructor(format: ObjectFormat, parts: readonly PathPartHandle[] = []) {
    const h = hashBytes(format)
    this.format = format
    this.rows = new CommitRows(h)
    this.fresh = new NewChanges(h)
    this.keys = parts.map(({ key }) => key)
    this.stored = parts.map(({ bytes }) => {
      const table = decodePathTable(new Uint8Array(bytes))
      if (table.firstRow !== this.rows.count || table.format !== format) {
        throw new CorruptError('path-table', 'a path table does not go on where the one before it ends')
      }
      addRows(this.rows, table, h)
      return new StoredChanges(table, h)
    })
    this.storedRows = this.rows.count
    this.#parts = [this.fresh, ...this.stored.toReversed()]
  }

  /** About what it takes of this thread's memory. */
  get bytes(): number {
    return emptyBytes + this.rows.count * rowBytes + this.fresh.count * changeBytes
  }

  /** The path's changes, those of the youngest rows first. */
  changesOf(folder: string, name: string): PathChanges[] {
    return this.#parts.flatMap((part) => part.of(folder, name) ?? [])
  }

  /** The same for all paths right in the folder, by name. */
  changesIn(folder: string): Map<string, PathChanges[]> {
    const found = new Map<string, PathChanges[]>()
    for (const part of this.#parts) {
      for (const [name, changes] of part.in(folder)) {
        const known = found.get(name)
        if (known) known.push(changes)
        else found.set(name, [changes])
      }
    }
    return found
  }

  /** The last change on the line of first parents that ends with `row`: what stands at the path there is what it left. Null: there was none. */
  lastOnLine(changes: readonly PathChanges[], row: number): Change | null {
    for (const { part, rows, values, from, to } of changes) {
      for (let at = lastUpTo(rows, from, to, row); at >= from; at--) {
        if (this.rows.isOnLine(row, rows[at] as number)) return { row: rows[at] as number, value: values[at] as number, part }
      }
    }
    return null
  }

  /**
   * The commit that git's default simplification comes to from `row`: the last one, on the way of those that have the path as it is there, that has it
   * otherwise than each of its parents.
   * @param pass told of each stretch of a line on that way
   */
  lastChange(changes: readonly PathChanges[], row: number, pass?: (from: number, to: number) => void): Change | null {
    let from = row
    let change = this.lastOnLine(changes, row)
    while (change !== null) {
      pass?.(from, change.row)
      const same = this.#sameParent(changes, change)
      if (same === null) return change
      from = same.parent
      change = same.change
    }
    return null
  }

  /** Of a merge: the first of its other parents where the path is the same. */
  #sameParent(changes: readonly PathChanges[], change: Change): { readonly parent: number; readonly change: Change | null } | null {
    const count = this.rows.parentCount(change.row)
    for (let place = 1; place < count; place++) {
      const parent = this.rows.parent(change.row, place)
      const last = this.lastOnLine(changes, parent)
      if (isSameState(last, change)) return { parent, change: last }
    }
    return null
  }
}

function addRows(rows: CommitRows, { ids, times, firstParents, parents }: PathTable, h: number): void {
  for (let i = 0; i < times.length; i++) {
    rows.add(ids, i * h, times[i] as number, parents.subarray(firstParents[i], firstParents[i + 1]))
  }
}

/** The place of the last row that isn't higher than `row`; from − 1: there is none. */
function lastUpTo(rows: ArrayLike<number>, from: number, to: number, row: number): number {
  let low = from
  let high = to
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((rows[middle] as number) <= row) low = middle + 1
    else high = middle
  }
  return low - 1
}
