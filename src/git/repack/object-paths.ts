// Where objects stand: for each tree and blob the path at which a commit first added it, and when that was. From the history table, which knows for nearly
// all of them what stood at their path before; only commits that add something at a new path have trees read.
import { hash } from 'node:crypto'
import { latin1 } from '../../base/index.ts'
import { noOlder } from '../format/history-table.ts'
import type { PacedRepository } from '../upload-pack/repository.ts'
import { TreeWalk } from '../upload-pack/tree-walk.ts'

export interface ObjectPaths {
  /** Of each path, by its number, 0 is that of root trees: `nameHash`. The paths themselves may come to far more than all that is stored. */
  readonly hashes: readonly number[]
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
  return { hashes: names.hashes, pathOf, rowOf }
}

/** Longer names are told apart by their hash: a name can be as long as a tree. */
const longestName = 256

/** Numbers for paths: of a folder's number and a name. A chain of a hundred thousand folders has paths of gigabytes. */
class PathNames {
  readonly hashes: number[] = [0]
  readonly #numbers = new Map<string, number>()

  below(folder: number, bytes: Uint8Array, nameAt: number): number {
    const name = bytes.subarray(nameAt, bytes.indexOf(0, nameAt))
    const key = `${folder}/${name.length > longestName ? hash('sha256', name, 'hex') : latin1(name)}`
    const known = this.#numbers.get(key)
    if (known !== undefined) return known
    const number = this.hashes.push(hashOn(hashOn(this.hashes[folder] as number, slash), name)) - 1
    this.#numbers.set(key, number)
    return number
  }
}

const slash = Uint8Array.of(47)

/** Of a path: names that end alike come near each other. The last sixteen characters count, the last ones most, as git's pack_name_hash has it. */
export function nameHash(path: string): number {
  return hashOn(0, Buffer.from(path, 'latin1'))
}

function hashOn(before: number, text: Uint8Array): number {
  let sum = before
  for (const byte of text) {
    if (byte !== 32 && (byte < 9 || byte > 13)) sum = ((sum >>> 2) + byte * 0x1000000) >>> 0
  }
  return sum
}
