// History as a list: the newest commits first, as `git log` lists them, or those of them that somebody asks for.
import { NewestFirst } from '../upload-pack/newest-first.ts'
import { objectSteps } from '../upload-pack/pace.ts'
import type { PacedRepository } from '../upload-pack/repository.ts'
import { type CommitValue, type Person, readCommit } from './commit-value.ts'
import { bytewise } from './text.ts'
import { findCommit, type Named } from './named.ts'
import { pathHistory } from '../paths/index.ts'
import { countReached } from './sides.ts'

export interface CommitsQuestion {
  readonly name: Named
  /** Seconds since 1970, of the committer's date. */
  readonly since: number | null
  readonly until: number | null
  /** A name or an email address. */
  readonly author: string | null
  readonly committer: string | null
  /** Those that changed what stands there; empty: all. */
  readonly path: string
  readonly skip: number
  readonly most: number
}

export interface CommitsAnswer {
  readonly commits: readonly CommitValue[]
  /** There are more behind them. */
  readonly isMore: boolean
  /** All that the name leads to; null where some are left out. */
  readonly total: number | null
}

/** InputError `no-such-object`. */
export async function listCommits(repository: PacedRepository, question: CommitsQuestion): Promise<CommitsAnswer> {
  const start = await findCommit(repository, question.name)
  const { since, until, author, committer, path, skip, most } = question
  const isPlain = path === '' && since === null && until === null && author === null && committer === null
  const found: number[] = []
  let left = skip
  const walk = path === '' ? newestFirst(repository, [start], since) : pathHistory(repository, start, bytewise(path), since)
  for await (const commit of walk) {
    if (!isPlain && !(await isWanted(repository, commit, question))) continue
    if (left-- > 0) continue
    found.push(commit)
    if (found.length > most) break
  }
  const commits: CommitValue[] = []
  for (const commit of found.slice(0, most)) commits.push(await readCommit(repository, commit))
  return { commits, isMore: found.length > most, total: isPlain ? await countReached(repository, start) : null }
}

async function isWanted(repository: PacedRepository, commit: number, { until, author, committer }: CommitsQuestion): Promise<boolean> {
  if (until !== null && repository.commits.time(commit) > until) return false
  if (author === null && committer === null) return true
  const value = await readCommit(repository, commit)
  return (author === null || isOf(value.author, author)) && (committer === null || isOf(value.committer, committer))
}

function isOf(person: Person | null, wanted: string): boolean {
  if (person === null) return false
  const text = wanted.toLowerCase()
  return person.email.toLowerCase() === text || person.name.toLowerCase() === text
}

/**
 * Commits that the starts lead to, as `git log` has them: of those whose children were all met or not, the newest next.
 * @param since older ones, and what they lead to, are left out
 * @param among these alone
 */
export async function* newestFirst(
  { commits, pace }: PacedRepository,
  starts: Iterable<number>,
  since: number | null = null,
  among: ReadonlySet<number> | null = null,
): AsyncGenerator<number, void, undefined> {
  const queue = new NewestFirst((commit) => commits.time(commit))
  const seen = new Set<number>()
  const meet = async (commit: number) => {
    if (seen.has(commit) || (among !== null && !among.has(commit))) return
    seen.add(commit)
    const loading = commits.load(commit)
    if (loading) await loading
    if (since === null || commits.time(commit) >= since) queue.add(commit)
  }
  for (const start of starts) await meet(start)
  while (queue.size > 0) {
    const turn = pace.turn(objectSteps)
    if (turn) await turn
    const commit = queue.take()
    yield commit
    for (let place = 0; place < commits.parentCount(commit); place++) await meet(commits.parent(commit, place))
  }
}
