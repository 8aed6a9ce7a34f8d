// Which commit each line of a file comes from, as git blame tells it: lines that a parent has, too, are the parent's to answer for, the first parent's
// first; what no parent has is the commit's own. Files are followed under the names that they had before. Only versions of the file are read.
import { equalBytes, InputError, latin1 } from '../../base/index.ts'
import { diffLines, type LineChange, LineReader, type TextLines } from '../format/diff.ts'
import { treeCode } from '../format/path-table.ts'
import type { PacedRepository } from '../upload-pack/index.ts'
import { type Change, type PathChanges, splitPath, stateOf } from './changes.ts'
import { coverCommit } from './cover.ts'
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

/** A file of more bytes isn't looked at; nor are more bytes of versions of one. */
const mostFileBytes = 8 << 20
const mostVersionBytes = 512 << 20
/** Of versions that were taken apart, so many bytes are kept for the next comparison. */
const keptBytes = 32 << 20

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
  readonly #versions: Versions
  readonly #changes = new Map<string, readonly PathChanges[]>()
  /** By row and path; rows are handled from the youngest down, so that all of a version's lines are known when its turn comes. */
  readonly #origins = new Map<number, Map<string, Origin>>()
  readonly #rows: number[] = [] // a heap
  readonly #ranges: BlameRange[] = []

  constructor(repository: PacedRepository) {
    this.#repository = repository
    this.#versions = new Versions(repository)
  }

  async run(row: number, path: string): Promise<Blame | null> {
    const { set, pace } = this.#repository
    const first = this.#origin(row, path)
    if (first === null) return null
    const text = await this.#versions.read(first.oid)
    if (text.count > 0) this.#give(first, [{ start: 0, count: text.count, at: 0 }])
    for (let next = this.#next(); next !== null; next = this.#next()) {
      for (const origin of next) {
        const turn = pace.turn(64)
        if (turn) await turn
        await this.#handle(origin)
      }
    }
    return { ranges: joined(this.#ranges), blob: set.find(first.oid, 0) }
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
      const [a, b] = [await this.#versions.read(old.oid), await this.#versions.read(origin.oid)]
      const { kept, passed } = splitLines(left, diffLines(a, b, { trimTail: true }))
      this.#give(old, passed)
      left = kept
    }
    const commit = this.#repository.set.find(this.#repository.paths.rows.id(origin.row), 0)
    for (const { start, count, at } of left) this.#ranges.push({ start: start + 1, count, commit, path: origin.path, originStart: at + 1 })
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

/** Versions of the file, taken apart into lines. */
class Versions {
  readonly #repository: PacedRepository
  readonly #reader = new LineReader()
  readonly #texts = new Map<string, TextLines>()
  #keptBytes = 0
  #readBytes = 0

  constructor(repository: PacedRepository) {
    this.#repository = repository
  }

  async read(oid: Uint8Array): Promise<TextLines> {
    const id = latin1(oid)
    const known = this.#texts.get(id)
    if (known) {
      this.#texts.delete(id)
      this.#texts.set(id, known)
      return known
    }
    const { objects, pace, set } = this.#repository
    const number = set.find(oid, 0)
    const sizeBytes = set.sizeBytes(number)
    this.#readBytes += sizeBytes
    if (sizeBytes > mostFileBytes || this.#readBytes > mostVersionBytes) {
      throw new InputError('blame-too-large', 'the file, or its history, is too large to tell where its lines come from')
    }
    const turn = pace.turn(sizeBytes >>> 8)
    if (turn) await turn
    const bytes = await objects.read(number)
    const text = this.#reader.read(bytes)
    this.#texts.set(id, text)
    this.#keptBytes += sizeBytes
    for (const [oldest, { bytes: gone }] of this.#texts) {
      if (this.#keptBytes <= keptBytes || this.#texts.size <= 2) break
      this.#texts.delete(oldest)
      this.#keptBytes -= gone.length
    }
    return text
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

function joined(ranges: readonly BlameRange[]): BlameRange[] {
  const all: BlameRange[] = []
  for (const range of ranges.toSorted((a, b) => a.start - b.start)) {
    const last = all.at(-1)
    const goesOn =
      last !== undefined &&
      last.commit === range.commit &&
      last.path === range.path &&
      last.start + last.count === range.start &&
      last.originStart + last.count === range.originStart
    if (goesOn) all[all.length - 1] = { ...last, count: last.count + range.count }
    else all.push(range)
  }
  return all
}
