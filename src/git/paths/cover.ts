// Adds commits to a path index that it lacks: each with what it changed against its first parent, its parents before it.
import { InputError, UnavailableError } from '../../base/index.ts'
import type { PacedRepository } from '../upload-pack/index.ts'
import { treeChanges } from './tree-changes.ts'

export interface CoverLimits {
  /** So many commits are added in one call. */
  readonly commits: number
  /** Of so many changes, the index's fresh ones together, no more are added. */
  readonly changes: number
}

/**
 * For a question that is asked now. What lies outside of the stored parts is less than this, unless a large history has just come; then the commits
 * that were added stay, and the next question goes on there.
 */
export const askLimits: CoverLimits = { commits: 1 << 15, changes: 1 << 19 }

/** The commit's row, after it was added with its ancestors. UnavailableError 'paths-not-ready' beyond the limits; else errors as `treeChanges`. */
export async function coverCommit(repository: PacedRepository, commit: number, limits = askLimits): Promise<number> {
  const { rows } = repository.paths
  const oid = repository.set.oid(commit)
  const known = rows.find(oid)
  if (known >= 0) return known
  const { isWhole } = await cover(repository, [commit], limits)
  if (!isWhole) throw new UnavailableError('paths-not-ready', 'the history of paths is not worked out yet: ask again in a while')
  return rows.find(oid)
}

/** @returns whether all of them, and their ancestors, are in the index now */
export async function cover(
  repository: PacedRepository,
  commits: readonly number[],
  limits: CoverLimits,
): Promise<{ readonly isWhole: boolean }> {
  const { pace, paths } = repository
  const walk = new ParentsFirst(repository)
  let left = limits.commits
  for (const commit of commits) {
    for await (const next of walk.from(commit)) {
      if (left-- <= 0 || paths.fresh.count > limits.changes) return { isWhole: false }
      const turn = pace.turn()
      if (turn) await turn
      await add(repository, next)
    }
  }
  return { isWhole: true }
}

/** A tree of this many changes alone is more than any real commit's, and would fill the index at once. */
const mostChangesEach = 1 << 21

async function add(repository: PacedRepository, commit: number): Promise<void> {
  const { commits, paths, set } = repository
  const { rows, fresh } = paths
  const parents: number[] = []
  for (let place = 0; place < commits.parentCount(commit); place++) parents.push(rows.find(set.oid(commits.parent(commit, place))))
  const changes: { folder: string; name: string; mode: number; oids: Uint8Array; at: number }[] = []
  await treeChanges(repository, commits.tree(commit), await firstParentTree(repository, commit), (folder, name, mode, oids, at) => {
    if (changes.length >= mostChangesEach) throw new InputError('paths-too-many', `a commit changes more than ${mostChangesEach} paths`)
    changes.push({ folder, name, mode, oids, at })
  })
  // nothing is added before all of it is known, and nobody else has added it meanwhile
  if (rows.find(set.oid(commit)) >= 0) return
  const row = rows.add(set.oid(commit), 0, commits.time(commit), parents)
  for (const { folder, name, mode, oids, at } of changes) fresh.add(folder, name, row, mode, oids, at)
}

/** Number of the first parent's tree; −1: the commit is a root. */
async function firstParentTree({ commits }: PacedRepository, commit: number): Promise<number> {
  if (commits.parentCount(commit) === 0) return -1
  const parent = commits.parent(commit, 0)
  const loading = commits.load(parent) // it may have its row from the stored table
  if (loading) await loading
  return commits.tree(parent)
}

/** Commits that have no row, parents before children. */
class ParentsFirst {
  readonly #repository: PacedRepository

  constructor(repository: PacedRepository) {
    this.#repository = repository
  }

  async *from(start: number): AsyncGenerator<number, void, undefined> {
    const { commits, set, pace, paths } = this.#repository
    const { rows } = paths
    const stack: number[] = []
    const places: number[] = []
    const met = new Set<number>()
    const enter = async (commit: number) => {
      if (met.has(commit) || rows.find(set.oid(commit)) >= 0) return
      met.add(commit)
      const loading = commits.load(commit)
      if (loading) await loading
      stack.push(commit)
      places.push(0)
    }
    await enter(start)
    while (stack.length > 0) {
      const turn = pace.turn()
      if (turn) await turn
      const commit = stack.at(-1) as number
      const place = places.at(-1) as number
      if (place < commits.parentCount(commit)) {
        places[places.length - 1] = place + 1
        await enter(commits.parent(commit, place))
        continue
      }
      yield commit
      stack.pop()
      places.pop()
    }
  }
}
