// Trees as lists of entries: one level, or all of it, up to a number and a size.
import { asBuffer, CorruptError, InputError, latin1 } from '../../base/index.ts'
import { hex } from '../../base/index.ts'
import type { ObjectId } from '../format/object-id.ts'
import { decodeTree, isGitlinkMode, isTreeMode, type TreeEntry } from '../format/tree.ts'
import { objectSteps } from '../upload-pack/pace.ts'
import type { PacedRepository } from '../upload-pack/repository.ts'
import { findTree, idOf, type Named } from './named.ts'

export interface ListedEntry {
  /** From the listed tree on; what is no UTF-8 is shown by replacement characters. */
  readonly path: string
  readonly mode: number
  readonly oid: ObjectId
  /** Of blobs. */
  readonly sizeBytes: number | null
}

export interface TreeQuestion {
  readonly name: Named
  readonly isRecursive: boolean
  readonly mostEntries: number
  /** Of the document that is made of them, about. */
  readonly mostBytes: number
}

export interface TreeAnswer {
  readonly oid: ObjectId
  readonly entries: readonly ListedEntry[]
  /** There was more. */
  readonly isTruncated: boolean
}

/** What an entry takes beside its path, without its URL. */
const entryBytes = 100

/** InputError `no-such-object`. */
export async function listTree(
  repository: PacedRepository,
  { name, isRecursive, mostBytes, mostEntries }: TreeQuestion,
): Promise<TreeAnswer> {
  const { tree } = await findTree(repository, name)
  const entries: ListedEntry[] = []
  let bytes = 0
  // the names of trees may be as deep as somebody likes: no recursion
  const open: { entries: readonly TreeEntry[]; at: number; prefix: string }[] = [
    { entries: await entriesOf(repository, tree), at: 0, prefix: '' },
  ]
  for (let level = open.at(-1); level; level = open.at(-1)) {
    const entry = level.entries[level.at++]
    if (!entry) {
      open.pop()
      continue
    }
    const turn = repository.pace.turn()
    if (turn) await turn
    const path = level.prefix + asBuffer(entry.name).toString('utf8')
    bytes += path.length + entryBytes
    if (entries.length >= mostEntries || bytes > mostBytes) return { oid: idOf(repository, tree), entries, isTruncated: true }
    entries.push(listed(repository, entry, path))
    if (!isRecursive || !isTreeMode(entry.mode)) continue
    open.push({ entries: await entriesOf(repository, numberOf(repository, entry.oid)), at: 0, prefix: `${path}/` })
  }
  return { oid: idOf(repository, tree), entries, isTruncated: false }
}

export function listed({ set }: PacedRepository, { mode, oid }: TreeEntry, path: string): ListedEntry {
  const number = isTreeMode(mode) || isGitlinkMode(mode) ? -1 : set.find(oid, 0)
  return { path, mode, oid: hex(oid) as ObjectId, sizeBytes: number < 0 ? null : set.sizeBytes(number) }
}

/** Of a stored tree. CorruptError when it isn't sound. */
export async function entriesOf(repository: PacedRepository, tree: number): Promise<TreeEntry[]> {
  const turn = repository.pace.turn(objectSteps)
  if (turn) await turn
  const bytes = await repository.objects.read(tree)
  try {
    return decodeTree(bytes, repository.set.format)
  } catch (cause) {
    if (!(cause instanceof InputError)) throw cause
    throw new CorruptError('object', `object ${idOf(repository, tree)} is not a sound tree`, { cause })
  }
}

/** The store is closed: what a tree names is stored, but for submodules' commits. */
export function numberOf({ set }: PacedRepository, oid: Uint8Array): number {
  const number = set.find(oid, 0)
  if (number < 0) throw new CorruptError('object', `a tree names ${hex(oid)}, which is not stored`)
  return number
}

/** What stands at the path below a tree; null: nothing. `path` has one character for each byte; empty: the tree itself. */
export async function entryAt(repository: PacedRepository, tree: number, path: string): Promise<TreeEntry | null> {
  let entry: TreeEntry | null = { mode: 0o040000, name: new Uint8Array(0), oid: repository.set.oid(tree) }
  for (const part of path === '' ? [] : path.split('/')) {
    if (!entry || !isTreeMode(entry.mode)) return null
    const entries: readonly TreeEntry[] = await entriesOf(repository, numberOf(repository, entry.oid))
    entry = entries.find(({ name }) => name.length === part.length && latin1(name) === part) ?? null
  }
  return entry
}
