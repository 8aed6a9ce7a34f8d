// What a push into a network of several repositories may build on: objects that the repository's own refs reach, or those of siblings that the
// pusher may read. Everything else that the network stores is as if it weren't there: whoever knows an id must not get at the object by
// naming it in a tree, resting a delta on it, or pointing a ref at it.
import { asBuffer, InputError } from '../../base/index.ts'
import { newTreeCursor, nextTreeEntry, isGitlinkMode } from '../format/tree.ts'
import { hashBytes, Kind, type ObjectId } from '../format/object-id.ts'
import { deepestBase, type ExistingObject, type ExistingObjects } from '../index-pack/index.ts'
import { Mark } from '../upload-pack/commit-walk.ts'
import { objectSteps } from '../upload-pack/pace.ts'
import { assertReachable } from '../upload-pack/reach.ts'
import type { PacedRepository } from '../upload-pack/repository.ts'
import { peelTags } from '../upload-pack/peel-tags.ts'
import { selectObjects } from '../upload-pack/selection.ts'

/** Whether the id is one of the packed ids. */
function isAmong(ids: Uint8Array, id: Uint8Array): boolean {
  const all = asBuffer(ids)
  for (let at = all.indexOf(id); at >= 0; at = all.indexOf(id, at + 1)) if (at % id.length === 0) return true
  return false
}

/** Trees of so many commits are looked into before history is. */
const mostLikely = 16

export class BuildableObjects implements ExistingObjects {
  readonly #repository: PacedRepository
  readonly #tips: Uint8Array
  readonly #allowed = new Set<number>()
  readonly #refused = new Set<number>()
  #likely: number[]
  #closure: Uint8Array | undefined

  /**
   * @param tips packed ids of all refs that count
   * @param likely ids that the push probably rests on, whoever named them: those that are tips count, and nearly all that a push names
   * stands in their trees
   */
  constructor(repository: PacedRepository, tips: Uint8Array, likely: Uint8Array) {
    this.#repository = repository
    this.#tips = tips
    const { set } = repository
    const width = hashBytes(set.format)
    this.#likely = []
    for (let at = 0; at < likely.length && this.#likely.length < mostLikely; at += width) {
      const number = isAmong(tips, likely.subarray(at, at + width)) ? set.find(likely, at) : -1
      if (number >= 0) this.#likely.push(number)
    }
  }

  async kinds(oids: Uint8Array): Promise<Uint8Array> {
    const { set } = this.#repository
    const width = hashBytes(set.format)
    const numbers = Array.from({ length: oids.length / width }, (_, i) => set.find(oids, i * width))
    await this.#judge(numbers)
    return Uint8Array.from(numbers, (number) => (this.#allowed.has(number) ? set.kind(number) : 0))
  }

  async read(oid: Uint8Array, limitBytes = Number.POSITIVE_INFINITY): Promise<ExistingObject | null> {
    const { set, objects } = this.#repository
    const number = set.find(oid, 0)
    await this.#judge([number])
    return this.#allowed.has(number) && set.sizeBytes(number) <= limitBytes
      ? { kind: set.kind(number), bytes: await objects.read(number), depth: set.depth(number, deepestBase) }
      : null
  }

  /** Of these, the ones that may not be built on, though they may be stored. */
  async refused(oids: readonly ObjectId[]): Promise<ReadonlySet<ObjectId>> {
    const kinds = await this.kinds(Buffer.from(oids.join(''), 'hex'))
    return new Set(oids.filter((_, i) => kinds[i] === 0))
  }

  async #judge(numbers: readonly number[]): Promise<void> {
    const { set } = this.#repository
    const open = new Set(numbers.filter((number) => number >= 0 && !this.#allowed.has(number) && !this.#refused.has(number)))
    if (open.size === 0) return
    const commits = [...open].filter((number) => set.kind(number) === Kind.commit)
    await this.#settle(commits, open)
    this.#likely = [...this.#likely, ...commits.filter((commit) => this.#allowed.has(commit))].slice(0, mostLikely)
    await this.#lookIntoTrees(open)
    await this.#settle([...open], open)
  }

  /** Exactly: first the way that is cheap when all are reached, then all that the tips reach, once for the whole push. */
  async #settle(numbers: readonly number[], open: Set<number>): Promise<void> {
    if (numbers.length === 0) return
    const areAllReached = this.#closure === undefined && (await this.#reachesAll(numbers))
    const closure = areAllReached ? null : (this.#closure ??= await this.#everythingReached())
    for (const number of numbers) {
      open.delete(number)
      if (closure === null || (closure[number] as number) & Mark.send) this.#allowed.add(number)
      else this.#refused.add(number)
    }
  }

  async #reachesAll(numbers: readonly number[]): Promise<boolean> {
    try {
      await assertReachable(this.#repository, this.#tips, numbers)
      return true
    } catch (error) {
      if (error instanceof InputError && error.code === 'not-our-ref') return false
      throw error
    }
  }

  async #everythingReached(): Promise<Uint8Array> {
    const { set } = this.#repository
    const wants: number[] = []
    for (let at = 0; at < this.#tips.length; at += hashBytes(set.format)) {
      const number = set.find(this.#tips, at)
      if (number >= 0) wants.push(number)
    }
    const request = { wants, haves: [], grafts: [], filter: null, thinPack: false, ofsDelta: true, tags: [] }
    return (await selectObjects(this.#repository, request)).marks
  }

  /** Settles what stands in the trees of the likely commits. */
  async #lookIntoTrees(open: Set<number>): Promise<void> {
    const { commits, pace, set } = this.#repository
    const seen = new Set<number>()
    const stack: number[] = []
    const meet = (number: number) => {
      if (seen.has(number)) return
      seen.add(number)
      if (open.delete(number)) this.#allowed.add(number)
      if (set.kind(number) === Kind.tree) stack.push(number)
    }
    for (const likely of this.#likely) {
      if (open.size === 0) return
      const commit = await peelTags(this.#repository, likely)
      if (set.kind(commit) !== Kind.commit) continue
      const loading = commits.load(commit)
      if (loading) await loading
      meet(commits.tree(commit))
      for (let tree = stack.pop(); tree !== undefined && open.size > 0; tree = stack.pop()) {
        const turn = pace.turn(objectSteps)
        if (turn) await turn
        await this.#entries(tree, meet)
      }
      stack.length = 0
    }
  }

  async #entries(tree: number, meet: (number: number) => void): Promise<void> {
    const { objects, set } = this.#repository
    const cursor = newTreeCursor(await objects.read(tree), set.format)
    while (nextTreeEntry(cursor)) {
      if (isGitlinkMode(cursor.mode)) continue
      const number = set.find(cursor.bytes, cursor.oidStart)
      if (number >= 0) meet(number)
    }
  }
}
