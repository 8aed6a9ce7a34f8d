// What differs between two trees, file by file: `git diff-tree -r`, in git's order.
import { concatBytes, hex, latin1 } from '../../base/index.ts'
import type { ObjectId } from '../format/object-id.ts'
import { compareTreeEntries, isTreeMode, type TreeEntry } from '../format/tree.ts'
import type { PacedRepository } from '../upload-pack/repository.ts'
import { entriesOf, numberOf } from './tree-list.ts'

/** One side of a change. */
export interface FileSide {
  readonly mode: number
  readonly oid: ObjectId
}

export interface FileChange {
  /** One character for each byte. */
  readonly path: string
  /** Null: it wasn't there. */
  readonly before: FileSide | null
  /** Null: it isn't there any more. */
  readonly after: FileSide | null
  /** Of a renamed file. */
  readonly oldPath: string | null
  /** Of a renamed file, in hundredths. */
  readonly similarity?: number
}

export interface TreeDifference {
  readonly changes: readonly FileChange[]
  /** There are more. */
  readonly isCut: boolean
}

const slash = Uint8Array.of(0x2f)
const nothing = new Uint8Array(0)

/** @param most so many changes at most */
export async function diffTrees(
  repository: PacedRepository,
  before: number | null,
  after: number | null,
  most: number,
): Promise<TreeDifference> {
  const changes: FileChange[] = []
  const walk = new TreeDiff(repository, changes, most)
  await walk.trees(before, after, nothing)
  return { changes: changes.slice(0, most), isCut: changes.length > most }
}

/** Folders of a path are as many as somebody likes, and each waits on its parent: bounded, as everything else is. */
const deepest = 1000

class TreeDiff {
  readonly #repository: PacedRepository
  readonly #changes: FileChange[]
  readonly #most: number
  #depth = 0

  constructor(repository: PacedRepository, changes: FileChange[], most: number) {
    this.#repository = repository
    this.#changes = changes
    this.#most = most
  }

  async trees(before: number | null, after: number | null, prefix: Uint8Array): Promise<void> {
    if (before === after || this.#depth > deepest) return
    this.#depth++
    const old = before === null ? [] : await entriesOf(this.#repository, before)
    const fresh = after === null ? [] : await entriesOf(this.#repository, after)
    let [i, j] = [0, 0]
    while ((i < old.length || j < fresh.length) && this.#changes.length <= this.#most) {
      const turn = this.#repository.pace.turn()
      if (turn) await turn
      const [a, b] = [old[i], fresh[j]]
      const order = a === undefined ? 1 : b === undefined ? -1 : compareTreeEntries(a, b)
      if (order <= 0) i++
      if (order >= 0) j++
      await this.#entries(order <= 0 ? (a ?? null) : null, order >= 0 ? (b ?? null) : null, prefix)
    }
    this.#depth--
  }

  /** Of the same name and both folders or both not, or one of them alone. */
  async #entries(a: TreeEntry | null, b: TreeEntry | null, prefix: Uint8Array): Promise<void> {
    if (a && b && a.mode === b.mode && Buffer.compare(a.oid, b.oid) === 0) return
    const { name, mode } = (a ?? b) as TreeEntry
    const path = concatBytes([prefix, name])
    if (isTreeMode(mode)) {
      const number = (entry: TreeEntry | null) => entry && numberOf(this.#repository, entry.oid)
      await this.trees(number(a), number(b), concatBytes([path, slash]))
    } else this.#changes.push({ path: latin1(path), before: side(a), after: side(b), oldPath: null })
  }
}

function side(entry: TreeEntry | null): FileSide | null {
  return entry && { mode: entry.mode, oid: hex(entry.oid) as ObjectId }
}
