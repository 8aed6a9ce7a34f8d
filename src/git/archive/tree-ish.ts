// From a name to the tree that goes into an archive, in a worker. Whatever no visible ref points to is served only when these reach it, and is
// told apart from what isn't stored by nothing.
import { CorruptError, fromHex, hex, InputError, latin1 } from '../../base/index.ts'
import { decodeTree, isTreeMode } from '../format/tree.ts'
import { Kind, kindName, type ObjectId } from '../format/object-id.ts'
import { candidatesById, isReached } from '../upload-pack/by-id.ts'
import type { PacedRepository } from '../upload-pack/repository.ts'
import { peelTags, tagTarget } from '../upload-pack/peel-tags.ts'
import type { ObjectName, Step } from './revision.ts'

export interface TreeIsh {
  /** Null for a tree that was named without its commit. */
  readonly commit: number | null
  readonly tree: number
}

/**
 * @param tips packed ids of what visible refs point to; may be empty where `name.isTip`
 * @throws InputError `no-such-object`, in git's words
 */
export async function resolveTreeIsh(repository: PacedRepository, name: ObjectName, tips: Uint8Array): Promise<TreeIsh> {
  const { commits, set } = repository
  let at = await startOf(repository, name, tips)
  for (const step of name.steps) at = await take(repository, at, step, name)
  if (name.path !== null) at = await entryAt(repository, await treeOf(repository, at, name), name)
  const end = await peelTags(repository, at)
  if (set.kind(end) === Kind.commit) {
    const loading = commits.load(end)
    if (loading) await loading
    return { commit: end, tree: commits.tree(end) }
  }
  if (set.kind(end) === Kind.tree) return { commit: null, tree: end }
  throw new InputError('no-such-object', `not a tree object: ${hex(set.oid(at))}`)
}

async function startOf(repository: PacedRepository, name: ObjectName, tips: Uint8Array): Promise<number> {
  const { set } = repository
  if (name.isTip) {
    const number = set.find(fromHex(name.id), 0)
    if (number < 0) throw new CorruptError('object', `a ref points to ${name.id}, which is not stored`)
    return number
  }
  const found: number[] = []
  for (const number of candidatesById(repository, name.id)) if (await isReached(repository, tips, number)) found.push(number)
  if (found.length === 1) return found[0] as number
  if (found.length > 1) throw new InputError('no-such-object', `short object ID ${name.id} is ambiguous`)
  throw notValid(name)
}

async function take(repository: PacedRepository, from: number, step: Step, name: ObjectName): Promise<number> {
  const { commits, set } = repository
  if (step.type === 'peel') return await peel(repository, from, step.kind, name)
  let at = await peel(repository, from, 'commit', name)
  const load = async () => {
    const turn = repository.pace.turn()
    if (turn) await turn
    const loading = commits.load(at)
    if (loading) await loading
  }
  await load()
  if (step.type === 'parent') {
    if (step.place === 0) return at
    if (step.place > commits.parentCount(at)) throw notValid(name)
    return commits.parent(at, step.place - 1)
  }
  for (let left = step.count; left > 0; left--) {
    if (commits.parentCount(at) === 0) throw notValid(name)
    at = commits.parent(at, 0)
    await load()
  }
  if (set.kind(at) !== Kind.commit) throw notValid(name)
  return at
}

async function peel(repository: PacedRepository, from: number, kind: string | null, name: ObjectName): Promise<number> {
  const { commits, set } = repository
  if (kind === 'object' || kind === kindName(set.kind(from))) return from
  let at = from
  while (set.kind(at) === Kind.tag) at = await tagTarget(repository, at)
  if (kind === null || kind === kindName(set.kind(at))) return at
  if (kind !== 'tree' || set.kind(at) !== Kind.commit) throw notValid(name)
  const loading = commits.load(at)
  if (loading) await loading
  return commits.tree(at)
}

async function treeOf(repository: PacedRepository, from: number, name: ObjectName): Promise<number> {
  return await peel(repository, from, 'tree', name)
}

/** What stands at the name's path below the tree. */
async function entryAt(repository: PacedRepository, tree: number, name: ObjectName): Promise<number> {
  const { objects, pace, set } = repository
  let at = tree
  for (const part of (name.path as string).split('/').filter((piece) => piece !== '' && piece !== '.')) {
    const turn = pace.turn()
    if (turn) await turn
    if (set.kind(at) !== Kind.tree) throw notValid(name)
    const entry = decodeTree(await objects.read(at), set.format).find((candidate) => latin1(candidate.name) === part)
    const number = entry ? set.find(entry.oid, 0) : -1
    // a submodule's commit is none of ours, even where it happens to be stored
    if (!entry || number < 0 || (set.kind(number) === Kind.commit && !isTreeMode(entry.mode))) throw notValid(name)
    at = number
  }
  return at
}

function notValid(name: ObjectName): InputError {
  return new InputError('no-such-object', `not a valid object name: ${name.text}`)
}

/** The id of an object in hex. */
export function idOf({ set }: PacedRepository, number: number): ObjectId {
  return hex(set.oid(number)) as ObjectId
}
