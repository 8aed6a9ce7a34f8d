// Which objects a fetch sends. Cheapest way first: whole packs where nothing is cut off; else the closure of wants less that of haves, by the
// history table; where there is none, commits, then trees from the tips down.
import type { FilterSpec } from '../format/filter-spec.ts'
import { Kind } from '../format/object-id.ts'
import type { StoredPack } from '../odb/pack-set.ts'
import { markClosure } from './closure.ts'
import { type CommitList, Mark, walkCommits } from './commit-walk.ts'
import { closePacks, hasOldestCopies } from './pack-closure.ts'
import { applyFilter } from './object-filter.ts'
import { objectSteps } from './pace.ts'
import { tagTarget } from './peel-tags.ts'
import type { PacedRepository } from './repository.ts'
import { markTree, sendTree } from './tree-walk.ts'

/** What has to be in the pack, in numbers; made by the negotiation. */
export interface PackRequest {
  readonly wants: readonly number[]
  /** Commits that the client has (with all that they reach, as far as no graft cuts it). */
  readonly haves: readonly number[]
  /** Commits whose parents count as none, on both sides: the client's shallow commits and the new ones. */
  readonly grafts: readonly number[]
  /** What is left out of what the wants reach. */
  readonly filter: FilterSpec | null
  readonly thinPack: boolean
  readonly ofsDelta: boolean
  /** Annotated tags of the repository: sent too when what they point to is sent. Empty unless the client asked. */
  readonly tags: readonly { readonly number: number; readonly target: number }[]
}

/** Marks for each number of the set: `Mark.send` stands on exactly what is sent (always canonical numbers). */
export interface Selection {
  readonly marks: Uint8Array
  /** Packs of which every entry is sent: no mark needs to be looked at. */
  readonly whole: ReadonlySet<StoredPack>
}

/** @throws CorruptError when something that has to be walked can't be read; the reason of the pace's signal */
export async function selectObjects(repository: PacedRepository, request: PackRequest): Promise<Selection> {
  const selector = new Selector(repository, request)
  if (request.haves.length === 0 && request.grafts.length === 0) await selector.everything()
  else await selector.difference()
  const { marks, whole } = selector
  const left = request.filter ? await applyFilter(repository, selector, request.filter, request.wants) : whole
  await selector.includeTags()
  return { marks, whole: left }
}

class Selector {
  readonly #repository: PacedRepository
  readonly #request: PackRequest
  readonly marks: Uint8Array
  readonly whole = new Set<StoredPack>()

  constructor(repository: PacedRepository, request: PackRequest) {
    this.#repository = repository
    this.#request = request
    this.marks = new Uint8Array(repository.set.size)
  }

  /** The closure of the wants. */
  async everything(): Promise<void> {
    const { set } = this.#repository
    const { taken, rest } = await closePacks(set, this.#request.wants, this.#repository.pace)
    await this.#takeWhole(taken)
    if (rest.length === 0) return
    const { commits, others } = await this.#peelWants(rest)
    for (const number of others) await this.#sendOther(number)
    if (this.#repository.exact) return await markClosure(this.#repository, this.marks, commits, Mark.send, Mark.client)
    // a commit of a taken pack needs no walk: all that it reaches is taken, or is a want of its own in `rest`
    await this.#sendCommits(await walkCommits(this.#repository, this.marks, commits, []))
  }

  /** The wants' closure without that of the haves. */
  async difference(): Promise<void> {
    const { marks } = this
    const { haves, grafts, wants } = this.#request
    for (const graft of grafts) marks[graft] = (marks[graft] as number) | Mark.graft
    const starts = await this.#peelWants(wants)
    if (this.#repository.exact) {
      await markClosure(this.#repository, marks, haves, Mark.client, 0)
      for (const number of starts.others) await this.#sendOther(number)
      return await markClosure(this.#repository, marks, starts.commits, Mark.send, Mark.client)
    }
    const list = await walkCommits(this.#repository, marks, starts.commits, haves)
    await this.#markEdges(list.commits)
    for (const number of starts.others) await this.#sendOther(number)
    await this.#sendCommits(list)
  }

  /** Annotated tags whose target is sent, and tags on such tags. */
  async includeTags(): Promise<void> {
    const { pace } = this.#repository
    for (const { number, target } of this.#request.tags) {
      const turn = pace.turn()
      if (turn) await turn
      if (this.#isSent(target) && !this.#isSent(number)) await this.#peel(number)
    }
  }

  #isSent(number: number): boolean {
    return ((this.marks[number] as number) & Mark.send) !== 0
  }

  async #takeWhole(taken: readonly StoredPack[]): Promise<void> {
    const { pace, set } = this.#repository
    const largest = taken.toSorted((a, b) => b.index.count - a.index.count)[0]
    for (const pack of taken) {
      const { first, index } = pack
      if (pack === largest && (await hasOldestCopies(set, pack, pace))) {
        this.marks.fill(Mark.send, first, first + index.count)
        this.whole.add(pack)
        continue
      }
      for (let position = 0; position < index.count; position++) {
        const turn = pace.turn()
        if (turn) await turn
        if (!index.isAppended(position)) this.marks[set.find(index.oid(position), 0)] = Mark.send
      }
    }
  }

  /** Tags are sent as they are met on the way to what they point to. */
  async #peelWants(wants: readonly number[]): Promise<{ commits: number[]; others: number[] }> {
    const commits: number[] = []
    const others: number[] = []
    for (const want of wants) {
      const end = await this.#peel(want)
      if (this.#repository.set.kind(end) === Kind.commit) commits.push(end)
      else others.push(end)
    }
    return { commits, others }
  }

  async #peel(number: number): Promise<number> {
    let at = number
    while (this.#repository.set.kind(at) === Kind.tag) {
      this.marks[at] = (this.marks[at] as number) | Mark.send
      at = await tagTarget(this.#repository, at)
    }
    return at
  }

  async #sendOther(number: number): Promise<void> {
    if (this.#repository.set.kind(number) === Kind.tree) {
      await sendTree(this.#repository, this.marks, number, -1)
    } else {
      this.marks[number] = (this.marks[number] as number) | Mark.send
    }
  }

  async #sendCommits({ commits, children }: CommitList): Promise<void> {
    const { commits: table, pace } = this.#repository
    for (const [place, commit] of commits.entries()) {
      const turn = pace.turn(objectSteps)
      if (turn) await turn
      this.marks[commit] = (this.marks[commit] as number) | Mark.send
      const child = children[place] as number
      await sendTree(this.#repository, this.marks, table.tree(commit), child < 0 ? -1 : table.tree(child))
    }
  }

  /** What stands in the trees at the boundary is the client's for certain; a shallow client's haves are boundaries, too. */
  async #markEdges(list: readonly number[]): Promise<void> {
    const { commits, pace } = this.#repository
    const edges = new Set<number>()
    for (const commit of list) {
      const turn = pace.turn()
      if (turn) await turn
      if ((this.marks[commit] as number) & Mark.graft) continue
      for (let place = 0; place < commits.parentCount(commit); place++) {
        const parent = commits.parent(commit, place)
        if ((this.marks[parent] as number) & Mark.client) edges.add(parent)
      }
    }
    if (this.#request.grafts.length > 0) for (const have of this.#request.haves) edges.add(have)
    for (const edge of edges) await markTree(this.#repository, this.marks, commits.tree(edge), Mark.client, Mark.client)
  }
}
