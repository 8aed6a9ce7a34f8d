// Questions about who reaches whom: whether a want may be served, and whether enough is known to stop negotiating.
import { equalBytes, hex, InputError } from '../../base/index.ts'
import { hashBytes, Kind } from '../format/object-id.ts'
import type { StoredPack } from '../odb/pack-set.ts'
import { Mark, walkCommits } from './commit-walk.ts'
import { closePacks } from './pack-closure.ts'
import { objectSteps } from './pace.ts'
import type { KnownTips, PacedRepository } from './repository.ts'
import { peelTags, tagTarget } from './peel-tags.ts'
import { selectObjects } from './selection.ts'

const everything = { wants: [], haves: [], grafts: [], filter: null, thinPack: false, ofsDelta: true, tags: [] }

/**
 * InputError('not-our-ref') unless the tips reach each of the objects.
 * @param tips packed ids
 */
export async function assertReachable(repository: PacedRepository, tips: Uint8Array, wants: readonly number[]): Promise<void> {
  const { set } = repository
  const known = await knownTips(repository, tips)
  if (repository.exact) {
    const marks = await tipsClosure(repository, known)
    for (const want of wants) if (!((marks[want] as number) & Mark.send)) throw notOurRef(set.oid(want))
    return
  }
  const starts = known.numbers
  const commits: number[] = []
  const reached = new Set(starts)
  for (const start of starts) {
    let end = start
    while (set.kind(end) === Kind.tag) {
      end = await tagTarget(repository, end)
      reached.add(end)
    }
    if (set.kind(end) === Kind.commit) commits.push(end)
  }
  let left = wants.filter((want) => !reached.has(want))
  if (left.length === 0) return
  const taken = await takenPacks(repository, known)
  left = left.filter((want) => !taken.some(({ index }) => holdsOwn(index, set.oid(want))))
  if (left.some((want) => set.kind(want) === Kind.commit)) {
    const marks = new Uint8Array(set.size)
    await walkCommits(repository, marks, new Set(commits), [])
    left = left.filter((want) => !((marks[want] as number) & Mark.seen))
    const commit = left.find((want) => set.kind(want) === Kind.commit)
    if (commit !== undefined) throw notOurRef(set.oid(commit))
  }
  if (left.length === 0) return
  const marks = await tipsClosure(repository, known)
  for (const want of left) if (!((marks[want] as number) & Mark.send)) throw notOurRef(set.oid(want))
}

/** Commits whose dates are off by less than this (in seconds) are found all the same. */
const clockSlack = 86_400
/** Commits looked at before the packs are asked, which is dearer where the client lacks little. */
const shortWalk = 2000

/**
 * Which of the objects the tips reach. Nothing may be said of any other one, not even that it is stored: whatever a client claims to have or
 * to be cut off at passes through here. Exact where the history table holds nearly everything; else a commit whose descendants are dated more than a day before it may be missed: that costs a
 * larger pack, or leaves the client's history cut off there, and is harmless. The same for what isn't a commit and stands in no pack that is
 * reached as a whole.
 * @param tips packed ids
 */
export async function reachedObjects(
  repository: PacedRepository,
  tips: Uint8Array,
  objects: readonly number[],
): Promise<ReadonlySet<number>> {
  const { set } = repository
  if (objects.length === 0) return new Set()
  const known = await knownTips(repository, tips)
  if (repository.exact) {
    const marks = await tipsClosure(repository, known)
    return new Set(objects.filter((object) => ((marks[object] as number) & Mark.send) !== 0))
  }
  const reached = new Set(objects.filter((object) => known.numbers.has(object)))
  const open = new Set(objects.filter((object) => !reached.has(object)))
  const settle = (found: number) => {
    reached.add(found)
    open.delete(found)
  }
  await walkDown(repository, known.numbers, open, shortWalk, settle)
  if (open.size === 0) return reached
  const taken = await takenPacks(repository, known)
  for (const object of open) if (taken.some(({ index }) => holdsOwn(index, set.oid(object)))) settle(object)
  if (taken.length < set.packs.length) await walkDown(repository, known.numbers, open, Number.POSITIVE_INFINITY, settle)
  return reached
}

/**
 * Of these objects, those that nothing reaches, exactly: for what is answered object by object. Errors as `reachedObjects`.
 * @param tips packed ids
 */
export async function unreached(repository: PacedRepository, tips: Uint8Array, objects: readonly number[]): Promise<readonly number[]> {
  const reached = await reachedObjects(repository, tips, objects)
  const left = objects.filter((object) => !reached.has(object))
  if (left.length === 0) return left
  const marks = await tipsClosure(repository, await knownTips(repository, tips))
  return left.filter((object) => !((marks[object] as number) & Mark.send))
}

/** Tells of each commit in `open` that it meets, until none is left or all that are young enough, or so many, were met. */
async function walkDown(
  { commits, pace, set }: PacedRepository,
  starts: Iterable<number>,
  open: ReadonlySet<number>,
  mostCommits: number,
  meet: (commit: number) => void,
): Promise<void> {
  let oldest = Number.POSITIVE_INFINITY
  for (const commit of open) {
    if (set.kind(commit) !== Kind.commit) continue
    const loading = commits.load(commit)
    if (loading) await loading
    oldest = Math.min(oldest, commits.time(commit) - clockSlack)
  }
  if (oldest === Number.POSITIVE_INFINITY) return
  const seen = new Uint8Array(set.size)
  let level = [...starts].filter((start) => set.kind(start) === Kind.commit)
  for (let met = 0; level.length > 0 && met < mostCommits; met += level.length) {
    const next: number[] = []
    for (const commit of level) {
      const turn = pace.turn(objectSteps)
      if (turn) await turn
      const loading = commits.load(commit)
      if (loading) await loading
      if (open.has(commit)) meet(commit)
      if (open.size === 0) return
      if (commits.time(commit) < oldest) continue
      for (let place = 0; place < commits.parentCount(commit); place++) {
        const parent = commits.parent(commit, place)
        if (seen[parent]) continue
        seen[parent] = 1
        next.push(parent)
      }
    }
    level = next
  }
}

async function knownTips({ lastTips, pace, set }: PacedRepository, ids: Uint8Array): Promise<KnownTips> {
  if (lastTips.value && equalBytes(lastTips.value.ids, ids)) return lastTips.value
  const width = hashBytes(set.format)
  const numbers = new Set<number>()
  for (let at = 0; at < ids.length; at += width) {
    const turn = pace.turn()
    if (turn) await turn
    const number = set.find(ids, at)
    if (number >= 0) numbers.add(number)
  }
  lastTips.value = { ids, numbers, taken: null, closure: null }
  return lastTips.value
}

/** `Mark.send` on all that the tips reach; kept with them. */
async function tipsClosure(repository: PacedRepository, known: KnownTips): Promise<Uint8Array> {
  known.closure ??= (await selectObjects(repository, { ...everything, wants: [...known.numbers] })).marks
  return known.closure
}

async function takenPacks({ pace, set }: PacedRepository, known: KnownTips): Promise<readonly StoredPack[]> {
  known.taken ??= (await closePacks(set, [...known.numbers], pace)).taken
  return known.taken
}

/** What the tips reach, for whoever serves objects one by one: kept as long as the tips are the same. */
export async function reachedFrom(
  repository: PacedRepository,
  tips: Uint8Array,
): Promise<{ readonly packs: readonly StoredPack[]; isReached(number: number): Promise<boolean> }> {
  const known = await knownTips(repository, tips)
  const packs = await takenPacks(repository, known)
  const isReached = async (number: number) => {
    const oid = repository.set.oid(number)
    if (packs.some(({ index }) => holdsOwn(index, oid))) return true
    return (((await tipsClosure(repository, known))[number] as number) & Mark.send) !== 0
  }
  return { packs, isReached }
}

export function notOurRef(oid: Uint8Array): InputError {
  return new InputError('not-our-ref', `upload-pack: not our ref ${hex(oid)}`)
}

function holdsOwn(index: { find(ids: Uint8Array, at: number): number; isAppended(position: number): boolean }, oid: Uint8Array): boolean {
  const position = index.find(oid, 0)
  return position >= 0 && !index.isAppended(position)
}

/** Searches that end with a "no" in one request: versions 0 and 1 ask again at each claim, and clients choose how many there are. */
const mostSearches = 16

/** What is common so far, and whether every want has a common ancestor (git's ok_to_give_up). */
export class CommonGround {
  readonly #repository: PacedRepository
  readonly #wants: readonly number[]
  readonly #common = new Set<number>()
  readonly #yes = new Set<number>()
  #oldest = Number.POSITIVE_INFINITY
  #answer: boolean | undefined
  #searches = 0
  readonly haves: number[] = []
  /** Haves that were no parent of an earlier one: those alone are worth an ACK of version 2. */
  count = 0

  constructor(repository: PacedRepository, wants: readonly number[]) {
    this.#repository = repository
    this.#wants = wants
  }

  /** The client has that object, and all that it reaches. True unless that followed from an earlier one, as git sees it: as its parent. */
  async add(number: number): Promise<boolean> {
    const { commits, set } = this.#repository
    const isNew = !this.#common.has(number)
    if (set.kind(number) === Kind.commit) {
      const loading = commits.load(number)
      if (loading) await loading
      this.#oldest = Math.min(this.#oldest, commits.time(number))
      for (let place = 0; place < commits.parentCount(number); place++) this.#common.add(commits.parent(number, place))
    }
    this.#common.add(number)
    this.haves.push(number)
    if (isNew) this.count++
    if (this.#answer === false) this.#answer = undefined // a yes stays one
    return isNew
  }

  /**
   * True when nothing that the client might still name would make the pack much smaller.
   * @param isLast false: it will be asked again, so that after some searches a no costs nothing
   */
  async isEnough(isLast = true): Promise<boolean> {
    if (this.haves.length === 0) return false
    if (this.#answer === undefined && !isLast && this.#searches++ >= mostSearches) return false
    this.#answer ??= await this.#everyWantReaches()
    return this.#answer
  }

  async #everyWantReaches(): Promise<boolean> {
    const no = new Set<number>()
    for (const want of this.#wants) {
      const commit = await peelTags(this.#repository, want)
      if (this.#repository.set.kind(commit) === Kind.commit && !(await this.#reaches(commit, no))) return false
    }
    return true
  }

  /** Depth first; a commit is settled when its parents are. Commits older than the oldest have can't reach one. */
  async #reaches(start: number, no: Set<number>): Promise<boolean> {
    const { commits, pace } = this.#repository
    const stack = [start]
    const places = [0]
    while (stack.length > 0) {
      const turn = pace.turn(4)
      if (turn) await turn
      const commit = stack.at(-1) as number
      const loading = commits.load(commit)
      if (loading) await loading
      const place = places.at(-1) as number
      if (this.#common.has(commit) || this.#yes.has(commit)) {
        for (const above of stack) this.#yes.add(above)
        return true
      }
      const stop = no.has(commit) || (stack.length > 1 && commits.time(commit) < this.#oldest) || place >= commits.parentCount(commit)
      if (stop) {
        no.add(commit)
        stack.pop()
        places.pop()
      } else {
        places[places.length - 1] = place + 1
        stack.push(commits.parent(commit, place))
        places.push(0)
      }
    }
    return false
  }
}
