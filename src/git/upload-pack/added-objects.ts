// What a commit adds: the trees and blobs below its tree that stand, at their path, in none of its parents' trees.
// Together with what its parents reach that is all that the commit reaches, so that the closure of any commits is the sum of what they and
// their ancestors add. (An object that only moved to another path counts as added too: nothing is missed, and a mark is set twice.)
import type { PacedRepository } from './repository.ts'
import { TreeWalk } from './tree-walk.ts'

export interface Added {
  readonly added: readonly number[]
  /** For each, the number of what stood at its path in the first parent, or −1. */
  readonly older: readonly number[]
}

/** Numbers that are kept for a repository at most. More come of histories that go back and forth between large trees: they are worked out again. */
const mostKept = 1 << 19

/** What commits add, as far as it was asked for, by their numbers. */
export class KeptAdds {
  readonly #adds = new Map<number, Added>()
  #kept = 0

  get(commit: number): Added | undefined {
    return this.#adds.get(commit)
  }

  all(): Iterable<readonly [commit: number, Added]> {
    return this.#adds
  }

  keep(commit: number, adds: Added): void {
    if (this.#adds.has(commit) || this.#kept + adds.added.length > mostKept) return
    this.#adds.set(commit, adds)
    this.#kept += adds.added.length
  }
}

/** Used again and again for one set; not by two walks at once. */
export class AddedObjects {
  readonly #repository: PacedRepository
  readonly #walk: TreeWalk
  readonly #stamps: Int32Array // number → the last comparison that met it
  #stamp = 0 // of the comparison under way
  #before = 0 // of the one with the parent before; 0: there was none
  #added: number[] = []
  #older: number[] = []

  constructor(repository: PacedRepository) {
    this.#repository = repository
    this.#stamps = new Int32Array(repository.set.size)
    this.#walk = new TreeWalk(repository, {
      meet: (number) => this.#meet(number),
      older: (number, like) => {
        if (this.#added.at(-1) === number) this.#older.push(like)
      },
    })
  }

  /** @throws CorruptError when a commit or tree can't be read */
  async of(commit: number): Promise<Added> {
    const { commits } = this.#repository
    const loading = commits.load(commit)
    if (loading) await loading
    const tree = commits.tree(commit)
    this.#added = []
    this.#older = []
    this.#before = 0
    this.#stamp++
    const parents = commits.parentCount(commit)
    if (parents === 0) await this.#walk.walk(tree, -1)
    for (let place = 0; place < parents; place++) {
      const parent = commits.parent(commit, place)
      const reading = commits.load(parent)
      if (reading) await reading
      if (place > 0) this.#before = this.#stamp++
      if (commits.tree(parent) === tree) return { added: [], older: [] }
      await this.#walk.walk(tree, commits.tree(parent))
    }
    return this.#taken()
  }

  /** Of a merge: what differs from every parent. What doesn't from one has nothing below it that does. */
  #meet(number: number): number {
    const stamp = this.#stamps[number] as number
    if (stamp === this.#stamp || (this.#before > 0 && stamp !== this.#before)) return -1
    this.#stamps[number] = this.#stamp
    if (this.#before === 0) this.#added.push(number)
    return 0
  }

  #taken(): Added {
    const added: number[] = []
    const older: number[] = []
    for (const [i, number] of this.#added.entries()) {
      if (this.#stamps[number] !== this.#stamp) continue
      added.push(number)
      older.push(this.#older[i] as number)
    }
    return { added, older }
  }
}
