// Makes a history table out of the one before and the commits that came since: each is compared with its parents, once.
import { InputError } from '../../base/index.ts'
import { encodeHistory, type HistoryParts, noOlder } from '../format/history-table.ts'
import { Kind } from '../format/object-id.ts'
import type { StoredPack } from '../odb/pack-set.ts'
import { AddedObjects } from './added-objects.ts'
import { objectSteps } from './pace.ts'
import type { PacedRepository } from './repository.ts'
import { tagTarget } from './peel-tags.ts'

/** A table may list so many added objects, and so many for each object that is stored: real histories list each once or twice. */
const addedAnyway = 1 << 20
const addedEach = 16

/** The table of all packs as one value. Errors as `extendHistory`. */
export async function buildHistory(repository: PacedRepository): Promise<Uint8Array> {
  return encodeHistory(await extendHistory(repository))
}

/**
 * The table of all commits and annotated tags in the repository's packs: rows of the table that it has come first.
 * Takes about as long as reading every tree of the others once; holds the table and a few bytes for each object.
 * @param packCount the first packs only. What they hold rests on nothing in later ones; should it, all packs are taken
 * @throws CorruptError when one of them can't be read; InputError 'history-too-large' of a history that goes back and forth between large trees so often that
 * its lists would be far larger than what is stored; the reason of the pace's signal
 */
export async function extendHistory(repository: PacedRepository, packCount = repository.set.packs.length): Promise<HistoryParts> {
  const { history, set } = repository
  const rows = new RowWriter(repository)
  const covered = set.packs.slice(0, packCount)
  const fresh = (await numbersOf(repository, Kind.commit, covered)).filter((number) => repository.commits.row(number) < 0)
  const adds = new AddedObjects(repository)
  for (const commit of await parentsFirst(repository, fresh)) {
    const { added, older } = await adds.of(commit)
    rows.add(commit, added, older)
  }
  const tags: number[] = []
  for (const tag of await numbersOf(repository, Kind.tag, covered)) tags.push(tag, await tagTarget(repository, tag))
  const size = covered.reduce((sum, { index }) => sum + index.count, 0)
  if (rows.highest >= size || tags.some((number) => number >= size)) return await extendHistory(repository)
  const packs = covered.map(({ id, index }) => ({ id, count: index.count }))
  return { ...rows.finish(), format: history.format, packs, tags: Uint32Array.from(tags) }
}

/** Canonical numbers of that kind in those packs, ascending. */
async function numbersOf({ pace, set }: PacedRepository, kind: Kind, packs: readonly StoredPack[]): Promise<number[]> {
  const found: number[] = []
  for (const { first, index } of packs) {
    for (let position = 0; position < index.count; position++) {
      if (index.kind(position) !== kind) continue
      const turn = pace.turn()
      if (turn) await turn
      if (set.packs.length === 1 || set.find(index.oid(position), 0) === first + position) found.push(first + position)
    }
  }
  return found
}

/** The commits, each behind its parents; those that the table holds already are no matter. Oldest lines of history first. */
async function parentsFirst(repository: PacedRepository, fresh: readonly number[]): Promise<number[]> {
  const { commits, pace, set } = repository
  for (const commit of fresh) {
    const turn = pace.turn(objectSteps)
    if (turn) await turn
    const loading = commits.load(commit)
    if (loading) await loading
  }
  const starts = fresh.toSorted((a, b) => commits.time(a) - commits.time(b))
  const met = new Uint8Array(set.size)
  const order: number[] = []
  const stack: number[] = []
  const places: number[] = []
  const enter = (commit: number) => {
    if (met[commit] !== 0 || commits.row(commit) >= 0) return
    met[commit] = 1
    stack.push(commit)
    places.push(0)
  }
  for (const start of starts) {
    enter(start)
    while (stack.length > 0) {
      const turn = pace.turn()
      if (turn) await turn
      const commit = stack.at(-1) as number
      const place = places.at(-1) as number
      if (place < commits.parentCount(commit)) {
        places[places.length - 1] = place + 1
        enter(commits.parent(commit, place))
        continue
      }
      order.push(commit)
      stack.pop()
      places.pop()
    }
  }
  return order
}

/** The arrays as they grow. */
class RowWriter {
  readonly #repository: PacedRepository
  readonly #rowOf: Int32Array // by number, of the rows that were added
  readonly #commits: Words
  readonly #trees: Words
  readonly #times: number[] = []
  readonly #firstParents: Words
  readonly #parents: Words
  readonly #firstAdded: Words
  readonly #added: Words
  readonly #older: Words
  readonly #mostAdded: number
  /** The highest number in what was added, −1: nothing was. */
  highest = -1

  constructor(repository: PacedRepository) {
    const { history, set } = repository
    this.#repository = repository
    this.#rowOf = new Int32Array(set.size).fill(-1)
    this.#commits = new Words(history.commits)
    this.#trees = new Words(history.trees)
    this.#firstParents = new Words(history.firstParents)
    this.#parents = new Words(history.parents)
    this.#firstAdded = new Words(history.firstAdded)
    this.#added = new Words(history.added)
    this.#older = new Words(history.older)
    this.#mostAdded = addedAnyway + addedEach * set.size
  }

  add(commit: number, added: readonly number[], older: readonly number[]): void {
    const { commits } = this.#repository
    this.#rowOf[commit] = this.#commits.length
    this.highest = Math.max(this.highest, commit, commits.tree(commit))
    this.#commits.push(commit)
    this.#trees.push(commits.tree(commit))
    this.#times.push(commits.time(commit))
    for (let place = 0; place < commits.parentCount(commit); place++) {
      const parent = commits.parent(commit, place)
      const row = commits.row(parent)
      this.#parents.push(row < 0 ? (this.#rowOf[parent] as number) : row)
    }
    this.#firstParents.push(this.#parents.length)
    if (this.#added.length + added.length > this.#mostAdded)
      throw new InputError('history-too-large', `a history table would list more than ${this.#mostAdded} added objects`)
    for (const number of added) {
      this.#added.push(number)
      this.highest = Math.max(this.highest, number)
    }
    for (const number of older) this.#older.push(number < 0 ? noOlder : number)
    this.#firstAdded.push(this.#added.length)
  }

  finish() {
    const known = this.#repository.history.times
    const times = new Float64Array(known.length + this.#times.length)
    times.set(known)
    times.set(this.#times, known.length)
    return {
      commits: this.#commits.take(),
      trees: this.#trees.take(),
      times,
      firstParents: this.#firstParents.take(),
      parents: this.#parents.take(),
      firstAdded: this.#firstAdded.take(),
      added: this.#added.take(),
      older: this.#older.take(),
    }
  }
}

/** A list of 32-bit numbers that grows. */
class Words {
  length: number
  #words: Uint32Array

  constructor(start: Uint32Array) {
    this.length = start.length
    this.#words = new Uint32Array(Math.max(1024, start.length * 2))
    this.#words.set(start)
  }

  push(word: number): void {
    if (this.length === this.#words.length) {
      const larger = new Uint32Array(this.length * 2)
      larger.set(this.#words)
      this.#words = larger
    }
    this.#words[this.length++] = word
  }

  take(): Uint32Array {
    return this.#words.slice(0, this.length)
  }
}
