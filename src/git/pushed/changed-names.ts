// The paths in which two trees differ, file by file, within a budget: of a commit that changes very much, the first few.
import { compareBytes, concatBytes, fromUtf8, utf8 } from '../../base/index.ts'
import { compareTreeEntries, decodeTree, isTreeMode, type TreeEntry } from '../format/tree.ts'
import { objectSteps } from '../upload-pack/pace.ts'
import type { PacedRepository } from '../upload-pack/repository.ts'

export interface ChangedNames {
  readonly added: string[]
  readonly removed: string[]
  readonly modified: string[]
}

/** Counted down by what is done; nothing is done when it is used up. */
export interface NameBudget {
  trees: number
  names: number
}

const deepest = 200
const slash = utf8('/')

/** @param before null: there was nothing */
export async function changedNames(
  repository: PacedRepository,
  before: number | null,
  after: number,
  budget: NameBudget,
): Promise<ChangedNames> {
  const names: ChangedNames = { added: [], removed: [], modified: [] }
  await new NameDiff(repository, names, budget).trees(before, after, new Uint8Array(0), 0)
  return names
}

class NameDiff {
  readonly #repository: PacedRepository
  readonly #names: ChangedNames
  readonly #budget: NameBudget

  constructor(repository: PacedRepository, names: ChangedNames, budget: NameBudget) {
    this.#repository = repository
    this.#names = names
    this.#budget = budget
  }

  async trees(before: number | null, after: number | null, prefix: Uint8Array, depth: number): Promise<void> {
    if (before === after || depth > deepest || this.#budget.trees < 2) return
    const old = await this.#entries(before)
    const fresh = await this.#entries(after)
    for (let i = 0, j = 0; (i < old.length || j < fresh.length) && this.#budget.names > 0; ) {
      const [a, b] = [old[i], fresh[j]]
      const order = a === undefined ? 1 : b === undefined ? -1 : compareTreeEntries(a, b)
      if (order <= 0) i++
      if (order >= 0) j++
      await this.#pair(order <= 0 ? a : undefined, order >= 0 ? b : undefined, prefix, depth)
    }
  }

  /** Of one name, and both folders or both not; or one alone. */
  async #pair(a: TreeEntry | undefined, b: TreeEntry | undefined, prefix: Uint8Array, depth: number): Promise<void> {
    if (a && b && a.mode === b.mode && compareBytes(a.oid, b.oid) === 0) return
    const { name, mode } = (a ?? b) as TreeEntry
    const path = concatBytes([prefix, name])
    if (isTreeMode(mode)) return this.trees(this.#number(a), this.#number(b), concatBytes([path, slash]), depth + 1)
    this.#budget.names--
    const list = a === undefined ? this.#names.added : b === undefined ? this.#names.removed : this.#names.modified
    list.push(fromUtf8(path))
  }

  #number(entry: TreeEntry | undefined): number | null {
    const number = entry === undefined ? -1 : this.#repository.set.find(entry.oid, 0)
    return number < 0 ? null : number
  }

  async #entries(tree: number | null): Promise<readonly TreeEntry[]> {
    if (tree === null) return []
    this.#budget.trees--
    const turn = this.#repository.pace.turn(objectSteps)
    if (turn) await turn
    return decodeTree(await this.#repository.objects.read(tree), this.#repository.set.format)
  }
}
