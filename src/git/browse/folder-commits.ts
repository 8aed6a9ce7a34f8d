// A folder as it is shown to people: each entry with the commit that changed it last; and a file line by line with the commits that these come from.
import { asBuffer } from '../../base/index.ts'
import type { ObjectId } from '../format/object-id.ts'
import { isTreeMode } from '../format/tree.ts'
import { blame as blamed, lastCommits } from '../paths/index.ts'
import type { PacedRepository } from '../upload-pack/repository.ts'
import { type CommitValue, readCommit } from './commit-value.ts'
import { findCommit, idOf, type Named, noSuchObject } from './named.ts'
import { bytewise, pathText } from './text.ts'
import { entriesOf, entryAt, listed, type ListedEntry, numberOf } from './tree-list.ts'

export interface PathQuestion {
  readonly name: Named
  /** Without slashes at its ends. */
  readonly path: string
}

export interface FolderCommits {
  readonly commit: ObjectId
  /** In the tree's order; `last` is a place in `commits`. */
  readonly entries: readonly (ListedEntry & { readonly last: number })[]
  readonly commits: readonly CommitValue[]
}

/** What is said of a folder's entries comes in one piece: more of them aren't. */
const mostEntries = 10_000

/** InputError `no-such-object`: also where no folder is. */
export async function folderCommits(repository: PacedRepository, { name, path }: PathQuestion): Promise<FolderCommits> {
  const commit = await findCommit(repository, name)
  const folder = bytewise(path)
  const entry = await entryAt(repository, repository.commits.tree(commit), folder)
  if (!entry || !isTreeMode(entry.mode)) throw noSuchObject(`no folder ${path}`)
  const tree = numberOf(repository, entry.oid)
  const entries = (await entriesOf(repository, tree)).slice(0, mostEntries)
  const last = await lastCommits(repository, commit, folder, await repository.objects.read(tree))
  const shown = new Shown(repository)
  const prefix = path === '' ? '' : `${path}/`
  const result: (ListedEntry & { last: number })[] = []
  for (const [i, one] of entries.entries()) {
    result.push({ ...listed(repository, one, prefix + asBuffer(one.name).toString('utf8')), last: await shown.place(last[i] as number) })
  }
  return { commit: idOf(repository, commit), entries: result, commits: shown.commits }
}

export interface BlameAnswer {
  readonly commit: ObjectId
  readonly blob: ObjectId
  readonly ranges: readonly {
    /** From 1. */
    readonly start: number
    readonly count: number
    /** A place in `commits`. */
    readonly from: number
    /** Where the lines stood in that commit. */
    readonly path: string
    readonly originStart: number
  }[]
  readonly commits: readonly CommitValue[]
}

/** InputError `no-such-object` where no file is, `blame-too-large`. */
export async function blame(repository: PacedRepository, { name, path }: PathQuestion): Promise<BlameAnswer> {
  const commit = await findCommit(repository, name)
  const found = await blamed(repository, commit, bytewise(path))
  if (found === null) throw noSuchObject(`no file ${path}`)
  const shown = new Shown(repository)
  const ranges: BlameAnswer['ranges'][number][] = []
  for (const { count, originStart, path: origin, start, commit: from } of found.ranges) {
    ranges.push({ start, count, from: await shown.place(from), path: pathText(origin), originStart })
  }
  return { commit: idOf(repository, commit), blob: idOf(repository, found.blob), ranges, commits: shown.commits }
}

/** Commits that are named again and again: each is read and sent once. */
class Shown {
  readonly commits: CommitValue[] = []
  readonly #repository: PacedRepository
  readonly #places = new Map<number, number>()

  constructor(repository: PacedRepository) {
    this.#repository = repository
  }

  async place(commit: number): Promise<number> {
    const known = this.#places.get(commit)
    if (known !== undefined) return known
    const place = this.commits.push(await readCommit(this.#repository, commit)) - 1
    this.#places.set(commit, place)
    return place
  }
}
