// From a name to an object, for whoever reads a repository piece by piece. Which ref a name stands for is decided by the refs that the caller may see
// (where the request is); an id counts when these refs reach it, or when the repository wrote the object through the API a while ago
// (docs/design/api-writes.md). Whatever else is stored is told apart from what isn't by nothing.
import { CorruptError, fromHex, hex, InputError } from '../../base/index.ts'
import { hashBytes, Kind, type ObjectFormat, type ObjectId } from '../format/object-id.ts'
import { findRef } from '../archive/revision.ts'
import type { VisibleRefs } from '../refs/index.ts'
import { candidatesById, isReached } from '../upload-pack/by-id.ts'
import { peelTags } from '../upload-pack/peel-tags.ts'
import type { PacedRepository } from '../upload-pack/repository.ts'

/** What is asked for, as plain data. */
export interface Named {
  /** In hex, whole or its beginning. */
  readonly id: string
  /** True: a visible ref points to it. */
  readonly isKnown: boolean
  /** The repository wrote it itself a while ago: it counts where it is stored. */
  readonly isOwn?: boolean
  /** Packed ids of what visible refs point to; empty where `isKnown`. */
  readonly tips: Uint8Array
}

/** The least that is taken for the beginning of an id. */
const shortestId = 4
/**
 * A whole id, a ref by git's order of folders, or the beginning of an id; null when it is none of them. No other revision syntax.
 * @param tipsOf `packedTips`, or what remembers its answers
 */
export function parseName(text: string, refs: VisibleRefs, format: ObjectFormat, tipsOf: (refs: VisibleRefs) => Uint8Array): Named | null {
  const isId = text.length >= shortestId && text.length <= hashBytes(format) * 2 && /^[0-9a-f]+$/i.test(text)
  const unlisted = (): Named => ({ id: text.toLowerCase(), isKnown: false, tips: tipsOf(refs) })
  if (isId && text.length === hashBytes(format) * 2) return unlisted()
  const ref = findRef(refs, text)
  return ref ? { id: ref.oid, isKnown: true, tips: new Uint8Array(0) } : isId ? unlisted() : null
}

/** The object's number. InputError `no-such-object`; CorruptError when a ref points to nothing. */
export async function findNamed(repository: PacedRepository, name: Named): Promise<number> {
  const { set } = repository
  if (name.isKnown) {
    const number = set.find(fromHex(name.id), 0)
    if (number < 0) throw new CorruptError('object', `a ref points to ${name.id}, which is not stored`)
    return number
  }
  const found: number[] = []
  for (const number of candidatesById(repository, name.id))
    if (name.isOwn || (await isReached(repository, name.tips, number))) found.push(number)
  if (found.length === 1) return found[0] as number
  throw noSuchObject(found.length > 1 ? `short object ID ${name.id} is ambiguous` : `no object ${name.id}`)
}

/** The commit that the name leads to, loaded. InputError `no-such-object` also when it leads to another kind of object. */
export async function findCommit(repository: PacedRepository, name: Named): Promise<number> {
  const { commits, set } = repository
  const end = await peelTags(repository, await findNamed(repository, name))
  if (end < 0 || set.kind(end) !== Kind.commit) throw noSuchObject(`${name.id} is no commit`)
  const loading = commits.load(end)
  if (loading) await loading
  return end
}

/** The tree that the name leads to: a commit's, or itself. */
export async function findTree(
  repository: PacedRepository,
  name: Named,
): Promise<{ readonly tree: number; readonly commit: number | null }> {
  const { commits, set } = repository
  const end = await peelTags(repository, await findNamed(repository, name))
  if (end >= 0 && set.kind(end) === Kind.tree) return { tree: end, commit: null }
  if (end < 0 || set.kind(end) !== Kind.commit) throw noSuchObject(`${name.id} is no tree`)
  const loading = commits.load(end)
  if (loading) await loading
  return { tree: commits.tree(end), commit: end }
}

/** What nobody is told more about. */
export function noSuchObject(message: string): InputError {
  return new InputError('no-such-object', message)
}

export function idOf({ set }: PacedRepository, number: number): ObjectId {
  return hex(set.oid(number)) as ObjectId
}
