// The history of a path, commit by commit: `git log -- PATH`, with git's simplification. Where one parent has the same there, only that one is gone on with.
import { hex } from '../../base/index.ts'
import { NewestFirst } from '../upload-pack/newest-first.ts'
import { objectSteps } from '../upload-pack/pace.ts'
import type { PacedRepository } from '../upload-pack/repository.ts'
import { entryAt } from './tree-list.ts'

/** @param path one character for each byte */
export async function* pathHistory(
  repository: PacedRepository,
  start: number,
  path: string,
  since: number | null,
): AsyncGenerator<number, void, undefined> {
  const { commits, pace } = repository
  const queue = new NewestFirst((commit) => commits.time(commit))
  const seen = new Set<number>()
  const there = async (commit: number) => {
    const entry = await entryAt(repository, commits.tree(commit), path)
    return entry && `${entry.mode} ${hex(entry.oid)}`
  }
  const meet = async (commit: number) => {
    if (seen.has(commit)) return
    seen.add(commit)
    const loading = commits.load(commit)
    if (loading) await loading
    if (since === null || commits.time(commit) >= since) queue.add(commit)
  }
  await meet(start)
  while (queue.size > 0) {
    const turn = pace.turn(objectSteps)
    if (turn) await turn
    const commit = queue.take()
    const own = await there(commit)
    const parents = Array.from({ length: commits.parentCount(commit) }, (_, place) => commits.parent(commit, place))
    let same: number | null = null
    for (const parent of parents) {
      const loading = commits.load(parent)
      if (loading) await loading
      if ((await there(parent)) !== own) continue
      same = parent
      break
    }
    if (same === null && (parents.length > 0 || own !== null)) yield commit
    for (const parent of same === null ? parents : [same]) await meet(parent)
  }
}
