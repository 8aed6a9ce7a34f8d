// Questions about who reaches whom: whether a want may be served, and whether enough is known to stop negotiating.
import { hex, InputError } from '../../base/index.ts'
import { hashBytes, Kind } from '../format/object-id.ts'
import { Mark, walkCommits } from './commit-walk.ts'
import { closePacks } from './pack-closure.ts'
import type { FetchRepository } from './repository.ts'
import { peelTags, selectObjects, tagTarget } from './selection.ts'

/**
 * InputError('not-our-ref') unless the tips reach each of the objects.
 * @param tips packed ids
 */
export async function assertReachable(repository: FetchRepository, tips: Uint8Array, wants: readonly number[]): Promise<void> {
  const { set } = repository
  const width = hashBytes(set.format)
  const starts = new Set<number>()
  for (let at = 0; at < tips.length; at += width) {
    const number = set.find(tips, at)
    if (number >= 0) starts.add(number)
  }
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
  const { taken } = closePacks(set, [...starts])
  left = left.filter((want) => !taken.some(({ index }) => holdsOwn(index, set.oid(want))))
  if (left.some((want) => set.kind(want) === Kind.commit)) {
    const marks = new Uint8Array(set.size)
    await walkCommits(repository, marks, new Set(commits), [])
    left = left.filter((want) => !((marks[want] as number) & Mark.seen))
    const commit = left.find((want) => set.kind(want) === Kind.commit)
    if (commit !== undefined) throw notOurRef(set.oid(commit))
  }
  if (left.length === 0) return
  const everything = { wants: [...starts], haves: [], grafts: [], thinPack: false, ofsDelta: true, tags: [] }
  const { marks } = await selectObjects(repository, everything)
  for (const want of left) if (!((marks[want] as number) & Mark.send)) throw notOurRef(set.oid(want))
}

export function notOurRef(oid: Uint8Array): InputError {
  return new InputError('not-our-ref', `upload-pack: not our ref ${hex(oid)}`)
}

function holdsOwn(index: { find(ids: Uint8Array, at: number): number; isAppended(position: number): boolean }, oid: Uint8Array): boolean {
  const position = index.find(oid, 0)
  return position >= 0 && !index.isAppended(position)
}

/** What is common so far, and whether every want has a common ancestor (git's ok_to_give_up). */
export class CommonGround {
  readonly #repository: FetchRepository
  readonly #wants: readonly number[]
  readonly #common = new Set<number>()
  readonly #yes = new Set<number>()
  #oldest = Number.POSITIVE_INFINITY
  #answer: boolean | undefined
  readonly haves: number[] = []

  constructor(repository: FetchRepository, wants: readonly number[]) {
    this.#repository = repository
    this.#wants = wants
  }

  /** The client has that object, and all that it reaches. */
  async add(number: number): Promise<void> {
    const { commits, set } = this.#repository
    if (set.kind(number) === Kind.commit) {
      const loading = commits.load(number)
      if (loading) await loading
      this.#oldest = Math.min(this.#oldest, commits.time(number))
      for (let place = 0; place < commits.parentCount(number); place++) this.#common.add(commits.parent(number, place))
    }
    this.#common.add(number)
    this.haves.push(number)
    this.#answer = undefined
  }

  /** True when nothing that the client might still name would make the pack much smaller. */
  async isEnough(): Promise<boolean> {
    if (this.haves.length === 0) return false
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
    const { commits } = this.#repository
    const stack = [start]
    const places = [0]
    while (stack.length > 0) {
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
