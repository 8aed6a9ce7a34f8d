// Where objects stand: for each tree and blob the path at which a commit first added it, and when that was. From the history table, which knows for nearly
// all of them what stood at their path before; only commits that add something at a new path have trees read.
import { latin1 } from '../../base/index.ts'
import { noOlder } from '../format/history-table.ts'
import type { PacedRepository } from '../upload-pack/repository.ts'
import { TreeWalk } from '../upload-pack/tree-walk.ts'

export interface ObjectPaths {
  /** Paths by their number, 0 is that of root trees; as Latin-1, so that every byte is a character. */
  readonly paths: readonly string[]
  /** By number: its path's number, −1 where none is known. */
  readonly pathOf: Int32Array
  /** By number: the row of the first commit that has it, −1 where none is known. */
  readonly rowOf: Int32Array
}

/** Errors as the walk's: CorruptError; the reason of the pace's signal. */
export async function findPaths(repository: PacedRepository): Promise<ObjectPaths> {
  const { history, pace, set } = repository
  const { added, commits, firstAdded, firstParents, older, parents, trees } = history
  const names = new PathNames()
  const pathOf = new Int32Array(set.size).fill(-1)
  const rowOf = new Int32Array(set.size).fill(-1)
  let row = 0
  const place = (number: number, path: number) => {
    pathOf[number] = path
    rowOf[number] = row
  }
  const walk = new TreeWalk(repository, {
    meet: (number, isTree, inside, bytes, nameAt) => {
      // what was met before brought all below it along
      if (nameAt === 0) return 0
      if ((pathOf[number] as number) >= 0) return -1
      const path = names.below(inside, bytes, nameAt)
      place(number, path)
      return isTree ? path : 0
    },
  })
  for (; row < commits.length; row++) {
    const turn = pace.turn()
    if (turn) await turn
    const commit = commits[row] as number
    rowOf[commit] = row
    const tree = trees[row] as number
    if ((pathOf[tree] as number) < 0) place(tree, 0)
    let known = true
    for (let at = firstAdded[row] as number; known && at < (firstAdded[row + 1] as number); at++) {
      const before = older[at] as number
      known = (pathOf[added[at] as number] as number) >= 0 || (before !== noOlder && (pathOf[before] as number) >= 0)
    }
    if (!known) {
      const parent = firstParents[row] as number
      await walk.walk(tree, parent < (firstParents[row + 1] as number) ? (trees[parents[parent] as number] as number) : -1)
    }
    for (let at = firstAdded[row] as number; at < (firstAdded[row + 1] as number); at++) {
      const number = added[at] as number
      if ((pathOf[number] as number) < 0 && older[at] !== noOlder) place(number, pathOf[older[at] as number] as number)
    }
  }
  return { paths: names.paths, pathOf, rowOf }
}

/** Numbers for paths. */
class PathNames {
  readonly paths: string[] = ['']
  readonly #numbers = new Map<string, number>()

  below(folder: number, bytes: Uint8Array, nameAt: number): number {
    const path = `${this.paths[folder]}/${latin1(bytes.subarray(nameAt, bytes.indexOf(0, nameAt)))}`
    const known = this.#numbers.get(path)
    if (known !== undefined) return known
    const number = this.paths.push(path) - 1
    this.#numbers.set(path, number)
    return number
  }
}

/** Of a path: names that end alike come near each other. The last sixteen characters count, the last ones most, as git's pack_name_hash has it. */
export function nameHash(path: string): number {
  let hash = 0
  for (let i = 0; i < path.length; i++) {
    const byte = path.charCodeAt(i)
    if (byte !== 32 && (byte < 9 || byte > 13)) hash = ((hash >>> 2) + byte * 0x1000000) >>> 0
  }
  return hash
}
