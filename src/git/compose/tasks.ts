// What can be composed, each by a function that runs in a worker: it finds what is named, makes the new objects, and says what came out.
import { fromHex, hex, InputError } from '../../base/index.ts'
import { entryAt } from '../browse/tree-list.ts'
import { commitValue, type CommitValue, tagValue, type TagValue } from '../browse/commit-value.ts'
import { compareSides } from '../browse/sides.ts'
import { bytewise } from '../browse/text.ts'
import { Kind, type ObjectId } from '../format/object-id.ts'
import { isGitlinkMode, isTreeMode, Mode } from '../format/tree.ts'
import type { PacedRepository } from '../upload-pack/repository.ts'
import { encodeCommit, encodeTag, type NewCommit, type NewTag } from './commit-text.ts'
import { mergeTrees } from './merge-trees.ts'
import type { NewObjects } from './new-objects.ts'
import type { Permitted } from './permitted.ts'
import { assertTreePath, editTree, type Placed } from './tree-edit.ts'

/** In the hands of one request. */
export interface Composing {
  readonly repository: PacedRepository
  readonly objects: NewObjects
  readonly permitted: Permitted
}

export async function blob({ objects }: Composing, { content }: { readonly content: Content }): Promise<{ readonly oid: ObjectId }> {
  return { oid: objects.add(Kind.blob, bytesOf(content)) }
}

/** A file's bytes, as they came in JSON. */
export type Content = { readonly text: string } | { readonly base64: string }

/** InputError `bad-base64`. */
function bytesOf(content: Content): Uint8Array {
  if ('text' in content) return new Uint8Array(Buffer.from(content.text, 'utf8'))
  const text = content.base64.replaceAll(/\s/g, '')
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text)) throw new InputError('bad-base64', 'content is not valid Base64')
  return new Uint8Array(Buffer.from(text, 'base64'))
}

export interface TreeTask {
  readonly base: ObjectId | null
  readonly entries: readonly {
    readonly path: string
    readonly mode: number
    /** Text of a new blob, or the id of what is there; null: what stands there goes. */
    readonly content: Content | { readonly oid: ObjectId } | null
  }[]
}

const kindOfMode = (mode: number) => (isTreeMode(mode) ? Kind.tree : isGitlinkMode(mode) ? Kind.commit : Kind.blob)

export async function tree(composing: Composing, { base, entries }: TreeTask): Promise<{ readonly oid: ObjectId }> {
  const { objects, permitted, repository } = composing
  const named = entries.flatMap(({ content, mode }) =>
    content && 'oid' in content && !isGitlinkMode(mode) ? [{ oid: content.oid, kind: kindOfMode(mode) }] : [],
  )
  for (const kind of [Kind.blob, Kind.tree]) {
    const oids = named.filter((one) => one.kind === kind).map(({ oid }) => oid)
    if (oids.length > 0) await permitted.numbers(oids, kind, 'tree.sha')
  }
  const edits = new Map<string, Placed>()
  for (const { content, mode, path } of entries) {
    const place = bytewise(path)
    assertTreePath(place, path)
    if (edits.has(place)) throw new InputError('tree-edit', `tree: ${path} is given twice`)
    const oid = content && ('oid' in content ? content.oid : objects.add(Kind.blob, bytesOf(content)))
    edits.set(place, oid && { mode, oid })
  }
  return { oid: await editTree(repository, objects, base && (await treeOf(composing, base)), edits) }
}

/** A tree's number, or a commit's tree. */
async function treeOf({ permitted, repository }: Composing, oid: ObjectId): Promise<number> {
  const [kind] = await permitted.kinds([oid])
  if (kind !== Kind.commit) return (await permitted.numbers([oid], Kind.tree, 'base_tree'))[0] as number
  const number = repository.set.find(fromHex(oid), 0)
  const loading = repository.commits.load(number)
  if (loading) await loading
  return repository.commits.tree(number)
}

export interface CommitTask {
  readonly tree: ObjectId
  readonly parents: readonly ObjectId[]
  readonly commit: NewCommit
}

export async function commit({ objects, permitted }: Composing, task: CommitTask): Promise<CommitValue> {
  await permitted.numbers([task.tree], Kind.tree, 'tree')
  await permitted.numbers(task.parents, Kind.commit, 'parents')
  return addCommit(objects, task.tree, task.parents, task.commit)
}

function addCommit(objects: NewObjects, root: ObjectId, parents: readonly ObjectId[], words: NewCommit): CommitValue {
  const bytes = encodeCommit(objects.format, root, parents, words)
  return commitValue(objects.add(Kind.commit, bytes), bytes, objects.format)
}

export async function tag({ objects, permitted }: Composing, task: NewTag): Promise<TagValue> {
  await permitted.numbers([task.object], task.kind, 'object')
  const bytes = encodeTag(task)
  return tagValue(objects.add(Kind.tag, bytes), bytes, objects.format)
}

export interface FileTask {
  /** What the branch is at; null: it is the first commit. */
  readonly tip: ObjectId | null
  readonly path: string
  /** The blob that is there now, as the caller believes; null: none. */
  readonly expected: ObjectId | null
  /** Null: the file goes. */
  readonly content: Content | null
  readonly commit: NewCommit
}

export interface FileResult {
  readonly commit: CommitValue
  /** Null: it is gone. */
  readonly oid: ObjectId | null
  readonly sizeBytes: number
  readonly wasThere: boolean
}

/** @throws InputError `file-changed` when another blob is there than expected, `file-missing`, `file-is-folder`, `file-unnamed` when nothing was expected */
export async function file(composing: Composing, { commit: words, content, expected, path, tip }: FileTask): Promise<FileResult> {
  const { objects, repository } = composing
  const place = bytewise(path)
  assertTreePath(place, path)
  const base = tip && (await treeAt(repository, tip))
  const entry = base === null ? null : await entryAt(repository, base, place)
  if (entry && (isTreeMode(entry.mode) || isGitlinkMode(entry.mode))) throw new InputError('file-is-folder', `${path} is no file`)
  const present = entry && (hex(entry.oid) as ObjectId)
  if (present === null && content === null) throw new InputError('file-missing', `${path} does not exist`)
  if (present !== null && expected === null) throw new InputError('file-unnamed', `"sha" wasn't supplied.`)
  if (present !== expected) throw new InputError('file-changed', `${path} does not match ${expected}`)
  // a link that is written to becomes what it is written as: a file
  const mode = entry?.mode === Mode.executable ? Mode.executable : Mode.file
  const bytes = content && bytesOf(content)
  const oid = bytes && objects.add(Kind.blob, bytes)
  const root = await editTree(repository, objects, base, new Map([[place, oid && { mode, oid }]]))
  return { commit: addCommit(objects, root, tip ? [tip] : [], words), oid, sizeBytes: bytes?.length ?? 0, wasThere: present !== null }
}

async function treeAt({ commits, set }: PacedRepository, commitId: ObjectId): Promise<number> {
  const number = set.find(fromHex(commitId), 0)
  const loading = commits.load(number)
  if (loading) await loading
  return commits.tree(number)
}

export interface MergeTask {
  readonly base: ObjectId
  readonly head: ObjectId
  readonly commit: NewCommit
}

/** Null: the base has all of it. InputError `merge-conflict`; also where the two have several merge bases, or none: git would make one of them first. */
export async function merge(composing: Composing, { base, commit: words, head }: MergeTask): Promise<CommitValue | null> {
  const { objects, permitted, repository } = composing
  const [theirs] = await permitted.numbers([head], Kind.commit, 'head')
  const ours = repository.set.find(fromHex(base), 0)
  const sides = await compareSides(repository, ours, theirs as number)
  if (sides.right.size === 0) return null
  const [common, other] = sides.bases
  if (common === undefined || other !== undefined) throw new InputError('merge-conflict', 'the two have no one merge base')
  const { commits } = repository
  for (const one of [common, ours, theirs as number]) {
    const loading = commits.load(one)
    if (loading) await loading
  }
  const trees = { base: commits.tree(common), ours: commits.tree(ours), theirs: commits.tree(theirs as number) }
  return addCommit(objects, await mergeTrees(repository, objects, trees), [base, head], words)
}

/** What a ref may be moved to, and whether that is forward. InputError `object-missing`. */
export async function target(
  { permitted, repository }: Composing,
  { fresh, old }: { readonly old: ObjectId | null; readonly fresh: ObjectId },
) {
  const [kind] = await permitted.kinds([fresh])
  if (!kind) throw new InputError('object-missing', 'Object does not exist')
  const oldNumber = old === null ? -1 : repository.set.find(fromHex(old), 0)
  const isCommits = kind === Kind.commit && oldNumber >= 0 && repository.set.kind(oldNumber) === Kind.commit
  const isForward = old === fresh || (isCommits && (await leadsTo(repository, fresh, oldNumber)))
  return { kind, isForward }
}

async function leadsTo(repository: PacedRepository, fresh: ObjectId, old: number): Promise<boolean> {
  const number = repository.set.find(fromHex(fresh), 0)
  return (await compareSides(repository, old, number)).leftCount === 0
}
