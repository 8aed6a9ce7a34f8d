// What a moved ref has that it hadn't before: commits with who, when, why, and which paths they changed; and whether it lost some.
import { fromHex } from '../../base/index.ts'
import { newestFirst } from '../browse/commit-list.ts'
import { pathText } from '../browse/text.ts'
import { idOf } from '../browse/named.ts'
import { diffTrees, type FileChange } from '../browse/tree-diff.ts'
import { decodeCommit } from '../format/commit.ts'
import { formatDate } from '../format/date-format.ts'
import type { Identity } from '../format/header-block.ts'
import { Kind, type ObjectId } from '../format/object-id.ts'
import { parseTagTarget } from '../format/tag.ts'
import { walkCommits } from '../upload-pack/commit-walk.ts'
import type { PacedRepository } from '../upload-pack/repository.ts'

export interface PushedQuestion {
  readonly before: ObjectId | null
  readonly after: ObjectId
  /** A tag brings no commits of its own: what it stands for is told, and nothing else. */
  readonly isTag: boolean
  /** Where other branches are. */
  readonly others: readonly ObjectId[]
  /** The newest so many commits are told. */
  readonly most: number
}

export interface Pushed {
  /** Oldest first. */
  readonly commits: readonly PushedCommit[]
  /** What the ref leads to; null: no commit. */
  readonly head: PushedCommit | null
  /** Commits were let go. */
  readonly isForced: boolean
}

export interface PushedCommit {
  readonly id: ObjectId
  readonly treeId: ObjectId
  /** On none of the other branches. */
  readonly isDistinct: boolean
  readonly message: string
  /** ISO 8601, in the committer's zone. */
  readonly timestamp: string
  readonly author: Person
  readonly committer: Person
  readonly added: readonly string[]
  readonly removed: readonly string[]
  readonly modified: readonly string[]
}

interface Person {
  readonly name: string
  readonly email: string
}

/** In all of one answer. */
const mostTextBytes = 4 << 20
const longestMessage = 64 << 10
const mostNames = 20_000
/** Of one commit. */
const mostNamesEach = 300
/** A tag of a tag of a tag … */
const mostPeels = 100

/** CorruptError when something that is walked can't be read. */
export async function pushedTask(repository: PacedRepository, question: PushedQuestion): Promise<Pushed> {
  const after = await peel(repository, question.after)
  if (after === null) return { commits: [], head: null, isForced: false }
  const teller = new Teller(repository)
  if (question.isTag) return { commits: [], head: await teller.tell(after, true), isForced: question.before !== null }
  const before = question.before === null ? null : numberOf(repository, question.before)
  const others = question.others.map((oid) => numberOf(repository, oid)).filter((number) => number !== null)
  // a branch that is new has what no other has; one that moved has what it hadn't
  const ends = question.before === null ? others : before === null ? [] : [before]
  const listed = await newest(repository, after, ends, question.most)
  const distinct =
    question.before === null || others.length === 0 ? null : new Set(await newest(repository, after, [...ends, ...others], listed.length))
  const commits: PushedCommit[] = []
  for (const commit of listed) {
    if (teller.isFull) break
    commits.push(await teller.tell(commit, distinct?.has(commit) ?? true))
  }
  const head =
    commits.find(({ id }) => id === idOf(repository, after)) ?? (await teller.tell(after, question.before !== null && others.length === 0))
  return { commits: commits.reverse(), head, isForced: await isForced(repository, question, before, after) }
}

/** The newest of the commits that `start` leads to and no end does. */
async function newest(repository: PacedRepository, start: number, ends: readonly number[], most: number): Promise<readonly number[]> {
  if (most === 0) return []
  if (ends.length > 0) {
    const { commits } = await walkCommits(repository, new Uint8Array(repository.set.size), [start], ends)
    return commits.slice(0, most)
  }
  // a whole history, of which the beginning is not wanted
  const found: number[] = []
  for await (const commit of newestFirst(repository, [start])) if (found.push(commit) >= most) break
  return found
}

async function isForced(
  repository: PacedRepository,
  { before: oid }: PushedQuestion,
  before: number | null,
  after: number,
): Promise<boolean> {
  if (oid === null) return false
  if (before === null) return true // it left the store already
  const { commits } = await walkCommits(repository, new Uint8Array(repository.set.size), [before], [after])
  return commits.length > 0
}

/** Makes commits as they are told; what it tells is bounded in all. */
class Teller {
  readonly #repository: PacedRepository
  #namesLeft = mostNames
  #textBytes = 0

  constructor(repository: PacedRepository) {
    this.#repository = repository
  }

  get isFull(): boolean {
    return this.#textBytes >= mostTextBytes
  }

  async tell(number: number, isDistinct: boolean): Promise<PushedCommit> {
    const { commits, objects, set } = this.#repository
    const { tree, author, committer, message } = decodeCommit(await objects.read(number), set.format)
    const shown = message.slice(0, longestMessage).replace(/\n+$/, '')
    this.#textBytes += shown.length
    const loading = commits.load(number)
    if (loading) await loading
    const parent = commits.parentCount(number) > 0 ? commits.parent(number, 0) : null
    const waiting = parent === null ? undefined : commits.load(parent)
    if (waiting) await waiting
    const most = Math.min(mostNamesEach, this.#namesLeft)
    const { changes } = await diffTrees(this.#repository, parent === null ? null : commits.tree(parent), commits.tree(number), most)
    this.#namesLeft -= changes.length
    const names = (wanted: (change: FileChange) => boolean) => changes.filter(wanted).map(({ path }) => pathText(path))
    return {
      id: idOf(this.#repository, number),
      treeId: tree,
      isDistinct,
      message: shown,
      timestamp: timeOf(committer),
      author: person(author),
      committer: person(committer),
      added: names(({ before }) => before === null),
      removed: names(({ after }) => after === null),
      modified: names(({ before, after }) => before !== null && after !== null),
    }
  }
}

function person(identity: Identity | null): Person {
  return { name: identity?.name ?? '', email: identity?.email ?? '' }
}

function timeOf(identity: Identity | null): string {
  const seconds = identity?.seconds ?? 0
  return formatDate(seconds, Number(identity?.timezone ?? 0) || 0, 'iso-strict')
}

function numberOf({ set }: PacedRepository, oid: ObjectId): number | null {
  const number = set.find(fromHex(oid), 0)
  return number >= 0 && set.kind(number) === Kind.commit ? number : null
}

/** The commit that a ref's value stands for; null: none. */
async function peel({ set, objects }: PacedRepository, oid: ObjectId): Promise<number | null> {
  let number = set.find(fromHex(oid), 0)
  for (let peels = 0; number >= 0 && set.kind(number) === Kind.tag && peels < mostPeels; peels++) {
    number = set.find(fromHex(parseTagTarget(await objects.read(number), set.format).object), 0)
  }
  return number >= 0 && set.kind(number) === Kind.commit ? number : null
}
