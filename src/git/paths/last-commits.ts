// The last commit for each entry of a folder, as git log -1 names it.
import { latin1 } from '../../base/index.ts'
import { newTreeCursor, nextTreeEntry } from '../format/tree.ts'
import type { PacedRepository } from '../upload-pack/index.ts'
import { coverCommit } from './cover.ts'

/**
 * For each entry of a folder the number of the commit that `git log -1 COMMIT -- ENTRY` lists, in the order of the folder's tree.
 * @param commit number in the set @param folder its path there, '' for the top, no slash at either end, a character for each byte
 * @param tree the bytes of the tree that stands there
 * @throws as `coverCommit`
 */
export async function lastCommits(repository: PacedRepository, commit: number, folder: string, tree: Uint8Array): Promise<number[]> {
  const { pace, paths, set } = repository
  const row = await coverCommit(repository, commit)
  const changes = paths.changesIn(folder)
  const cursor = newTreeCursor(tree, set.format)
  const found: number[] = []
  while (nextTreeEntry(cursor)) {
    const turn = pace.turn(8)
    if (turn) await turn
    const last = paths.lastChange(changes.get(latin1(tree.subarray(cursor.nameStart, cursor.nameEnd))) ?? [], row)
    found.push(last === null ? commit : set.find(paths.rows.id(last.row), 0)) // null: of no tree that is sound
  }
  return found
}
