// A commit with what it changed, and what lies between two commits.
import { concatBytes, InputError } from '../../base/index.ts'
import { abbreviate } from '../archive/abbreviate.ts'
import type { ObjectId } from '../format/object-id.ts'
import type { PacedRepository } from '../upload-pack/repository.ts'
import { type CommitValue, readCommit } from './commit-value.ts'
import { type DiffAnswer, diffFiles, diffText, type FileRange } from './file-diff.ts'
import { newestFirst } from './commit-list.ts'
import { formatPatch } from './mail.ts'
import { findCommit, idOf, type Named } from './named.ts'
import { compareSides } from './sides.ts'

export interface CommitQuestion {
  readonly name: Named
  /** Of the files: the first, and how many; null: the commit alone. */
  readonly files: Omit<FileRange, 'isTotal'> | null
}

export interface CommitAnswer {
  readonly commit: CommitValue
  readonly diff: DiffAnswer | null
}

/** Against its first parent. InputError `no-such-object`. */
export async function showCommit(repository: PacedRepository, { name, files }: CommitQuestion): Promise<CommitAnswer> {
  const commit = await findCommit(repository, name)
  const diff =
    files &&
    (await diffFiles(repository, await parentTree(repository, commit), repository.commits.tree(commit), { ...files, isTotal: true }))
  return { commit: await readCommit(repository, commit), diff }
}

export interface CommitTextQuestion {
  readonly name: Named
  readonly form: 'diff' | 'patch'
}

/** As `git diff` or `git format-patch` prints it. InputError `no-such-object`. */
export async function commitText(repository: PacedRepository, { name, form }: CommitTextQuestion): Promise<Uint8Array> {
  const commit = await findCommit(repository, name)
  return form === 'diff' ? await diffOf(repository, commit) : await patchOf(repository, commit)
}

async function diffOf(repository: PacedRepository, commit: number): Promise<Uint8Array> {
  const short = (oid: ObjectId) => abbreviate(repository.set, oid)
  return await diffText(repository, await parentTree(repository, commit), repository.commits.tree(commit), short)
}

async function patchOf(repository: PacedRepository, commit: number): Promise<Uint8Array> {
  return formatPatch(await readCommit(repository, commit), await diffOf(repository, commit))
}

/** Null: the first commit, or one that the repository is cut off at. */
async function parentTree({ commits }: PacedRepository, commit: number): Promise<number | null> {
  if (commits.parentCount(commit) === 0) return null
  const parent = commits.parent(commit, 0)
  const loading = commits.load(parent)
  if (loading) await loading
  return commits.tree(parent)
}

export interface CompareQuestion {
  readonly base: Named
  readonly head: Named
  /** Of the commits that are ahead, the oldest first; null: the last ones. */
  readonly skip: number | null
  readonly most: number
  readonly mostFiles: number
}

export interface CompareAnswer {
  readonly base: CommitValue
  readonly head: ObjectId
  readonly mergeBase: CommitValue
  readonly aheadCount: number
  readonly behindCount: number
  readonly commits: readonly CommitValue[]
  readonly diff: DiffAnswer
}

/** InputError `no-such-object`, `no-common-ancestor`. */
export async function compare(repository: PacedRepository, question: CompareQuestion): Promise<CompareAnswer> {
  const { commits } = repository
  const [base, head] = [await findCommit(repository, question.base), await findCommit(repository, question.head)]
  const sides = await compareSides(repository, base, head)
  const mergeBase = newest(repository, sides.bases)
  if (mergeBase === null) throw new InputError('no-common-ancestor', 'the two have no common ancestor')
  const ahead: number[] = []
  for await (const commit of newestFirst(repository, [head], null, sides.right)) ahead.push(commit)
  const { skip, most } = question
  const shown = skip === null ? ahead.slice(0, most).reverse() : ahead.reverse().slice(skip, skip + most)
  const values: CommitValue[] = []
  for (const commit of shown) values.push(await readCommit(repository, commit))
  return {
    base: await readCommit(repository, base),
    head: idOf(repository, head),
    mergeBase: await readCommit(repository, mergeBase),
    aheadCount: sides.right.size,
    behindCount: sides.leftCount,
    commits: values,
    diff: await diffFiles(repository, commits.tree(mergeBase), commits.tree(head), { from: 0, count: question.mostFiles, isTotal: false }),
  }
}

function newest({ commits }: PacedRepository, found: readonly number[]): number | null {
  return found.length === 0 ? null : found.reduce((a, b) => (commits.time(b) > commits.time(a) ? b : a))
}

export interface CompareTextQuestion {
  readonly base: Named
  readonly head: Named
  readonly form: 'diff' | 'patch'
}

/** Patches of more commits come one behind the other, up to so many. */
const mostPatches = 250

/** InputError as `compare`. */
export async function compareText(repository: PacedRepository, question: CompareTextQuestion): Promise<Uint8Array> {
  const { commits } = repository
  const [base, head] = [await findCommit(repository, question.base), await findCommit(repository, question.head)]
  const sides = await compareSides(repository, base, head)
  const mergeBase = newest(repository, sides.bases)
  if (mergeBase === null) throw new InputError('no-common-ancestor', 'the two have no common ancestor')
  if (question.form === 'diff') {
    return await diffText(repository, commits.tree(mergeBase), commits.tree(head), (oid) => abbreviate(repository.set, oid))
  }
  const ahead: number[] = []
  for await (const commit of newestFirst(repository, [head], null, sides.right)) ahead.push(commit)
  const patches: Uint8Array[] = []
  for (const commit of ahead.reverse().slice(-mostPatches)) {
    if (commits.parentCount(commit) < 2) patches.push(await patchOf(repository, commit)) // as format-patch: merges are none
  }
  return concatBytes(patches)
}
