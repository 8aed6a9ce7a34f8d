// Which commit each line of a file comes from, as git blame tells it: lines that a parent has, too, are the parent's to answer for, the first parent's
// first; what no parent has is the commit's own. Files are followed under the names that they had before. Only versions of the file are read.
import { equalBytes } from '../../base/index.ts'
import { diffLines, type LineChange } from '../format/diff.ts'
import { treeCode } from '../format/path-table.ts'
import type { PacedRepository } from '../upload-pack/index.ts'
import { type Change, type PathChanges, splitPath, stateOf } from './changes.ts'
import { coverCommit } from './cover.ts'
import { FileVersions } from './file-versions.ts'
import type { Come } from './kept-blames.ts'
import { renamedFrom } from './renamed-from.ts'

/** Lines that came with one commit. */
export interface BlameRange {
  /** Line of the file, from 1. */
  readonly start: number
  readonly count: number
  /** Number of the commit in the set. */
  readonly commit: number
  /** Where they stood in it: path, a character for each byte, and line. */
  readonly path: string
  readonly originStart: number
}

export interface Blame {
  /** In the order of the file's lines, which they are all of. */
  readonly ranges: readonly BlameRange[]
  /** Number of the file's blob. */
  readonly blob: number
}

/** Lines [start, start + count) of the file are those from `at` on of some version of it. Counted from 0. */
interface Lines {
  readonly start: number
  readonly count: number
  readonly at: number
}

/** A version of the file that answers for some lines: as it came with a commit that changed it. */
interface Origin {
  readonly row: number
  readonly path: string
  readonly code: number
  readonly oid: Uint8Array
  lines: Lines[]
}

/**
 * Null: no file stands at that path (a folder or submodule is none).
 * @param commit number in the set @param path a character for each byte
 * @throws InputError 'blame-too-large'; else as `coverCommit`
 */
export async function blame(repository: PacedRepository, commit: number, path: string): Promise<Blame | null> {
  const row = await coverCommit(repository, commit)
  return await new Blaming(repository).run(row, path)
}

class Blaming {
  readonly #repository: PacedRepository
  readonly #versions: FileVersions
  readonly #changes = new Map<string, readonly PathChanges[]>()
  /** By row and path; rows are handled from the youngest down, so that all of a version's lines are known when its turn comes. */
  readonly #origins = new Map<number, Map<string, Origin>>()
  readonly #rows: number[] = [] // a heap
  readonly #come: Come[] = []

  constructor(repository: PacedRepository) {
    this.#repository = repository
    this.#versions = new FileVersions(repository)
  }

  async run(row: number, path: string): Promise<Blame | null> {
    const { set, paths } = this.#repository
    const first = this.#origin(row, path)
    if (first === null) return null
    let come = paths.blames.get(first.row, path)
    if (come === undefined) {
      await this.#findAll(first)
      come = joined(this.#come)
      paths.blames.keep(first.row, path, come)
    }
    const ranges = come.map((each) => {
      const commit = set.find(paths.rows.id(each.row), 0)
      return { start: each.start + 1, count: each.count, commit, path: each.path, originStart: each.at + 1 }
    })
    return { ranges, blob: set.find(first.oid, 0) }
  }

  async #findAll(first: Origin): Promise<void> {
    const { pace } = this.#repository
    const text = await this.#versions.read(first.oid)
    if (text.count > 0) this.#give(first, [{ start: 0, count: text.count, at: 0 }])
    for (let next = this.#next(); next !== null; next = this.#next()) {
      for (const origin of next) {
        const turn = pace.turn(64)
        if (turn) await turn
        const known = this.#repository.paths.blames.get(origin.row, origin.path)
        if (known) this.#take(origin, known)
        else await this.#handle(origin)
      }
    }
  }

  /** The lines come from where that version's lines are known to come from. */
  #take({ lines }: Origin, known: readonly Come[]): void {
    for (const { start, count, at } of lines) {
      let place = lastFrom(known, at)
      for (let done = 0; done < count; place++) {
        const { start: first, count: length, ...come } = known[place] as Come
        const skipped = at + done - first
        const taken = Math.min(count - done, length - skipped)
        this.#come.push({ ...come, start: start + done, count: taken, at: come.at + skipped })
        done += taken
      }
    }
  }

  /** The version that stands there in that row's commit, as the commit that left it there has it. */
  #origin(row: number, path: string): Origin | null {
    const change = this.#repository.paths.lastOnLine(this.#changesOf(path), row)
    return change && asOrigin(change, path)
  }

  #changesOf(path: string): readonly PathChanges[] {
    const known = this.#changes.get(path)
    if (known) return known
    const changes = this.#repository.paths.changesOf(...splitPath(path))
    this.#changes.set(path, changes)
    return changes
  }

  async #handle(origin: Origin): Promise<void> {
    const { rows } = this.#repository.paths
    const parents = Array.from({ length: rows.parentCount(origin.row) }, (_, place) => rows.parent(origin.row, place))
    const before: (Origin | null)[] = parents.map(() => null)
    const without: number[] = []
    for (const [place, parent] of parents.entries()) {
      const change = this.#repository.paths.lastOnLine(this.#changesOf(origin.path), parent)
      const state = change && stateOf(change)
      if (!change || !state || state.code === treeCode) without.push(place)
      else if (typeOf(state.code) === typeOf(origin.code)) {
        const old = { row: change.row, path: origin.path, ...state, lines: [] }
        if (equalBytes(old.oid, origin.oid)) return this.#give(old, origin.lines)
        before[place] = old
      }
    }
    for (const place of without) {
      const old = await this.#renamed(origin, parents[place] as number)
      if (old && equalBytes(old.oid, origin.oid)) return this.#give(old, origin.lines)
      before[place] = old
    }
    await this.#compare(origin, before)
  }

  async #compare(origin: Origin, before: readonly (Origin | null)[]): Promise<void> {
    let left: readonly Lines[] = origin.lines
    const met: Uint8Array[] = []
    for (const old of before) {
      if (left.length === 0) return
      if (old === null || met.some((oid) => equalBytes(oid, old.oid))) continue
      met.push(old.oid)
      const b = await this.#versions.read(origin.oid)
      const a = await this.#versions.read(old.oid, b)
      const { kept, passed } = splitLines(left, diffLines(a, b, { trimTail: true }))
      this.#give(old, passed)
      left = kept
    }
    for (const lines of left) this.#come.push({ ...lines, row: origin.row, path: origin.path })
  }

  async #renamed(origin: Origin, parent: number): Promise<Origin | null> {
    const { commits, paths, set } = this.#repository
    const [own, old] = [set.find(paths.rows.id(origin.row), 0), set.find(paths.rows.id(parent), 0)]
    for (const commit of [own, old]) {
      const loading = commits.load(commit)
      if (loading) await loading
    }
    const from = await renamedFrom(this.#repository, commits.tree(own), commits.tree(old), origin)
    return from && this.#origin(parent, from.path)
  }

  #give(origin: Origin, lines: readonly Lines[]): void {
    if (lines.length === 0) return
    const atRow = this.#origins.get(origin.row) ?? new Map<string, Origin>()
    if (atRow.size === 0) {
      this.#origins.set(origin.row, atRow)
      this.#push(origin.row)
    }
    const known = atRow.get(origin.path)
    if (known) known.lines.push(...lines)
    else atRow.set(origin.path, { ...origin, lines: [...lines] })
  }

  /** Of the youngest row that answers for lines: its versions. */
  #next(): Origin[] | null {
    const row = this.#pop()
    if (row === undefined) return null
    const origins = [...(this.#origins.get(row)?.values() ?? [])]
    this.#origins.delete(row)
    for (const origin of origins) origin.lines.sort((a, b) => a.at - b.at)
    return origins
  }

  #push(row: number): void {
    const heap = this.#rows
    let at = heap.push(row) - 1
    for (let above = (at - 1) >> 1; at > 0 && (heap[above] as number) < row; above = (at - 1) >> 1) {
      heap[at] = heap[above] as number
      at = above
    }
    heap[at] = row
  }

  #pop(): number | undefined {
    const heap = this.#rows
    const top = heap[0]
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return top
    let at = 0
    for (let below = 1; below < heap.length; below = at * 2 + 1) {
      if (below + 1 < heap.length && (heap[below + 1] as number) > (heap[below] as number)) below++
      if ((heap[below] as number) <= last) break
      heap[at] = heap[below] as number
      at = below
    }
    heap[at] = last
    return top
  }
}

/** Files are files, whether they may be run or not. */
function typeOf(code: number): number {
  return code <= 1 ? 0 : code
}

function asOrigin(change: Change, path: string): Origin | null {
  const state = stateOf(change)
  return state && state.code < treeCode ? { row: change.row, path, code: state.code, oid: state.oid, lines: [] } : null
}

/** @param lines of the new version, by place @returns what the old one doesn't have; what it has, by places there */
function splitLines(lines: readonly Lines[], changes: readonly LineChange[]): { readonly kept: Lines[]; readonly passed: Lines[] } {
  const kept: Lines[] = []
  const passed: Lines[] = []
  let next = 0
  for (const { start, count, at } of lines) {
    while (next > 0 && endOf(changes[next - 1]) > at) next-- // lines that came by two ways may be the same ones
    for (let done = 0; done < count; ) {
      const place = at + done
      while (next < changes.length && endOf(changes[next]) <= place) next++
      const change = changes[next]
      const isNew = change !== undefined && change.newStart <= place
      const end = Math.min(at + count, isNew ? endOf(change) : (change?.newStart ?? at + count))
      const before = changes[next - 1]
      const offset = before ? before.oldStart + before.oldCount - endOf(before) : 0
      const part = { start: start + done, count: end - place }
      if (isNew) kept.push({ ...part, at: place })
      else passed.push({ ...part, at: place + offset })
      done += end - place
    }
  }
  return { kept, passed }
}

function endOf(change: LineChange | undefined): number {
  return change === undefined ? Number.POSITIVE_INFINITY : change.newStart + change.newCount
}

/** The place of the run that holds the line. */
function lastFrom(runs: readonly Come[], line: number): number {
  let low = 0
  let high = runs.length - 1
  while (low < high) {
    const middle = (low + high + 1) >>> 1
    if ((runs[middle] as Come).start <= line) low = middle
    else high = middle - 1
  }
  return low
}

function joined(runs: readonly Come[]): Come[] {
  const all: Come[] = []
  for (const run of runs.toSorted((a, b) => a.start - b.start)) {
    const last = all.at(-1)
    const goesOn =
      last !== undefined &&
      last.row === run.row &&
      last.path === run.path &&
      last.start + last.count === run.start &&
      last.at + last.count === run.at
    if (goesOn) all[all.length - 1] = { ...last, count: last.count + run.count }
    else all.push(run)
  }
  return all
}
