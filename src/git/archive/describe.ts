// `git describe` for export-subst (git-describe(1), "SEARCH STRATEGY"): the tag that is nearest to a commit, how many commits lie between, and
// the commit's id. Options: tags, match, exclude, abbrev.
import { fromHex } from '../../base/index.ts'
import { decodeTag } from '../format/tag.ts'
import { compileWildcard, matchesWildcard } from '../format/wildmatch.ts'
import type { PacedRepository } from '../upload-pack/repository.ts'
import type { DescribeTag } from './task.ts'

interface Options {
  readonly takesLightweight: boolean
  readonly matches: (name: string) => boolean
  /** Digits of the id; 0: the tag alone. Null: as many as the id needs. */
  readonly abbrev: number | null
}

interface Candidate {
  readonly name: string
  readonly bit: number
  depth: number
}

const mostCandidates = 10
const seenBit = 1

/** @returns null for options that are none; empty where no tag is found */
export async function describe(
  repository: PacedRepository,
  commit: number,
  tags: readonly DescribeTag[],
  given: string,
  abbreviate: (digits: number | null) => string,
): Promise<string | null> {
  const options = parseOptions(given)
  if (options === null) return null
  const names = await namesOf(repository, tags, options)
  const own = names.get(commit)
  if (own && isTaken(own, options)) return own.name
  const best = names.size === 0 ? null : await new Search(repository, names, options).nearest(commit)
  if (best === null) return ''
  return options.abbrev === 0 ? best.name : `${best.name}-${best.depth}-g${abbreviate(options.abbrev)}`
}

function parseOptions(given: string): Options | null {
  let takesLightweight = false
  let abbrev: number | null = null
  const wanted: ((name: string) => boolean)[] = []
  const unwanted: ((name: string) => boolean)[] = []
  for (const option of given === '' ? [] : given.split(',')) {
    const [name = '', value] = option.split(/=(.*)/s, 2)
    if (name === 'tags' && (value === undefined || /^(?:true|yes|on|1|false|no|off|0|)$/i.test(value))) {
      takesLightweight = value === undefined || /^(?:true|yes|on|1)$/i.test(value)
    } else if (name === 'abbrev' && /^\d{1,3}$/.test(value ?? '')) abbrev = Number(value)
    else if (name === 'match' && value) wanted.push(nameTest(value))
    else if (name === 'exclude' && value) unwanted.push(nameTest(value))
    else return null
  }
  const matches = (name: string) => !unwanted.some((test) => test(name)) && (wanted.length === 0 || wanted.some((test) => test(name)))
  return { takesLightweight, matches, abbrev }
}

function nameTest(pattern: string): (name: string) => boolean {
  const compiled = compileWildcard(pattern, false)
  return (name) => matchesWildcard(compiled, name)
}

interface Name {
  readonly name: string
  readonly isAnnotated: boolean
  readonly tag: string
}

function isTaken(name: Name, { takesLightweight }: Options): boolean {
  return name.isAnnotated || takesLightweight
}

/** One name for each commit: an annotated tag before a lightweight one, the youngest of several. */
async function namesOf(repository: PacedRepository, tags: readonly DescribeTag[], options: Options): Promise<Map<number, Name>> {
  const names = new Map<number, Name>()
  for (const { name, tag, commit } of tags) {
    if (!options.matches(name)) continue
    const turn = repository.pace.turn()
    if (turn) await turn
    const number = repository.set.find(fromHex(commit), 0)
    const isAnnotated = tag !== commit
    const known = names.get(number)
    if (known && !isAnnotated) continue
    if (known?.isAnnotated && (await taggedAt(repository, tag)) <= (await taggedAt(repository, known.tag))) continue
    names.set(number, { name, isAnnotated, tag })
  }
  return names
}

async function taggedAt({ objects, set }: PacedRepository, tag: string): Promise<number> {
  return decodeTag(await objects.read(set.find(fromHex(tag), 0)), set.format).tagger?.seconds ?? 0
}

class Search {
  readonly #repository: PacedRepository
  readonly #names: ReadonlyMap<number, Name>
  readonly #options: Options
  readonly #flags = new Map<number, number>()
  readonly #candidates: Candidate[] = []
  readonly #queue: DateQueue

  constructor(repository: PacedRepository, names: ReadonlyMap<number, Name>, options: Options) {
    this.#repository = repository
    this.#names = names
    this.#options = options
    this.#queue = new DateQueue((commit) => repository.commits.time(commit))
  }

  async nearest(start: number): Promise<Candidate | null> {
    await this.#meet(start, seenBit)
    let seen = 0
    let gaveUp = -1
    for (let commit = await this.#next(); commit >= 0; commit = await this.#next()) {
      seen++
      if (this.#candidates.length === mostCandidates || this.#candidates.length === this.#names.size) {
        gaveUp = commit
        break
      }
      const name = this.#names.get(commit)
      if (name && isTaken(name, this.#options)) {
        const bit = 2 << this.#candidates.length
        this.#candidates.push({ name: name.name, bit, depth: seen - 1 })
        this.#flags.set(commit, this.#flagsOf(commit) | bit)
      }
      const flags = this.#flagsOf(commit)
      for (const candidate of this.#candidates) if (!(flags & candidate.bit)) candidate.depth++
      if (this.#isSettled(flags)) break
      await this.#meetParents(commit, flags)
    }
    const best = this.#candidates.toSorted((a, b) => a.depth - b.depth || a.bit - b.bit)[0] ?? null
    if (gaveUp >= 0) this.#queue.push(gaveUp)
    if (best) await this.#finish(best)
    return best
  }

  /** The last path is one that the best candidates cover. */
  #isSettled(flags: number): boolean {
    if (this.#candidates.length === 0 || this.#queue.size > 0) return false
    const depth = Math.min(...this.#candidates.map((candidate) => candidate.depth))
    return this.#candidates.every((candidate) => candidate.depth > depth || (flags & candidate.bit) !== 0)
  }

  /** Counts what the candidate doesn't reach among what is still queued, and below. */
  async #finish(best: Candidate): Promise<void> {
    const open = new Set(this.#queue.all().filter((commit) => !(this.#flagsOf(commit) & best.bit)))
    for (let commit = await this.#next(); commit >= 0; commit = await this.#next()) {
      const flags = this.#flagsOf(commit)
      if (flags & best.bit) {
        if (open.size === 0) return
      } else {
        open.delete(commit)
        best.depth++
      }
      await this.#meetParents(commit, flags, (parent, before, after) => {
        if (before === 0 && !(after & best.bit)) open.add(parent)
        else if (before !== 0 && !(before & best.bit) && after & best.bit) open.delete(parent)
      })
    }
  }

  #flagsOf(commit: number): number {
    return this.#flags.get(commit) ?? 0
  }

  async #next(): Promise<number> {
    const turn = this.#repository.pace.turn(8)
    if (turn) await turn
    return this.#queue.pop()
  }

  async #meetParents(commit: number, flags: number, tell?: (parent: number, before: number, after: number) => void): Promise<void> {
    const { commits } = this.#repository
    for (let place = 0; place < commits.parentCount(commit); place++) {
      const parent = commits.parent(commit, place)
      const before = this.#flagsOf(parent)
      await this.#meet(parent, flags)
      tell?.(parent, before, this.#flagsOf(parent))
    }
  }

  async #meet(commit: number, flags: number): Promise<void> {
    const before = this.#flagsOf(commit)
    this.#flags.set(commit, before | flags)
    if (before !== 0) return
    const loading = this.#repository.commits.load(commit)
    if (loading) await loading
    this.#queue.push(commit)
  }
}

interface Queued {
  readonly commit: number
  readonly time: number
  readonly order: number
}

/** The newest commit first; of equals, the one that came first. */
class DateQueue {
  readonly #time: (commit: number) => number
  readonly #heap: Queued[] = []
  #order = 0

  constructor(time: (commit: number) => number) {
    this.#time = time
  }

  get size(): number {
    return this.#heap.length
  }

  all(): number[] {
    return this.#heap.map(({ commit }) => commit)
  }

  push(commit: number): void {
    const heap = this.#heap
    let at = heap.push({ commit, time: this.#time(commit), order: this.#order++ }) - 1
    while (at > 0 && this.#isBefore(at, (at - 1) >> 1)) {
      this.#swap(at, (at - 1) >> 1)
      at = (at - 1) >> 1
    }
  }

  /** −1 when it is empty. */
  pop(): number {
    const heap = this.#heap
    const top = heap[0]
    const last = heap.pop()
    if (!top || !last) return -1
    if (heap.length > 0) heap[0] = last
    for (let at = 0, below = 1; below < heap.length; below = 2 * at + 1) {
      if (below + 1 < heap.length && this.#isBefore(below + 1, below)) below++
      if (!this.#isBefore(below, at)) break
      this.#swap(at, below)
      at = below
    }
    return top.commit
  }

  #isBefore(a: number, b: number): boolean {
    const left = this.#heap[a] as Queued
    const right = this.#heap[b] as Queued
    return left.time === right.time ? left.order < right.order : left.time > right.time
  }

  #swap(a: number, b: number): void {
    const held = this.#heap[a] as Queued
    this.#heap[a] = this.#heap[b] as Queued
    this.#heap[b] = held
  }
}
