// Two trees as one, by the tree that both came from: each entry as the side has it that changed it. Whole files: what both sides changed, and not to the
// same, is a conflict; so is a file on one side below a path that is a file on the other.
import { fromHex, hex, InputError, latin1 } from '../../base/index.ts'
import type { ObjectId } from '../format/object-id.ts'
import { compareTreeEntries, isTreeMode, Mode, type TreeEntry } from '../format/tree.ts'
import { entriesOf, numberOf } from '../browse/tree-list.ts'
import type { PacedRepository } from '../upload-pack/repository.ts'
import type { NewObjects } from './new-objects.ts'

interface Sides<T> {
  readonly base: T
  readonly ours: T
  readonly theirs: T
}

/** The merged tree's id. InputError `merge-conflict`. */
export async function mergeTrees(repository: PacedRepository, objects: NewObjects, trees: Sides<number | null>): Promise<ObjectId> {
  const entries = await merged(repository, objects, trees, '')
  return objects.addTree(entries)
}

async function merged(repository: PacedRepository, objects: NewObjects, trees: Sides<number | null>, prefix: string): Promise<TreeEntry[]> {
  const read = async (tree: number | null) =>
    new Map((tree === null ? [] : await entriesOf(repository, tree)).map((entry) => [latin1(entry.name), entry]))
  const [base, ours, theirs] = [await read(trees.base), await read(trees.ours), await read(trees.theirs)]
  const result: TreeEntry[] = []
  for (const name of new Set([...ours.keys(), ...theirs.keys()])) {
    const turn = repository.pace.turn()
    if (turn) await turn
    const sides = { base: base.get(name) ?? null, ours: ours.get(name) ?? null, theirs: theirs.get(name) ?? null }
    const entry = decided(sides) ?? (await mergedFolder(repository, objects, sides, `${prefix}${name}`))
    if (entry !== 'nothing') result.push(entry)
  }
  return result.sort(compareTreeEntries)
}

/** Null: both sides changed it. */
function decided({ base, ours, theirs }: Sides<TreeEntry | null>): TreeEntry | 'nothing' | null {
  if (isEqual(ours, theirs) || isEqual(theirs, base)) return ours ?? 'nothing'
  return isEqual(ours, base) ? (theirs ?? 'nothing') : null
}

function isEqual(a: TreeEntry | null, b: TreeEntry | null): boolean {
  return a === null || b === null ? a === b : a.mode === b.mode && hex(a.oid) === hex(b.oid)
}

async function mergedFolder(
  repository: PacedRepository,
  objects: NewObjects,
  { base, ours, theirs }: Sides<TreeEntry | null>,
  path: string,
): Promise<TreeEntry | 'nothing'> {
  const isFolder = (entry: TreeEntry | null): entry is TreeEntry => entry !== null && isTreeMode(entry.mode)
  // a folder that one side took away counts as an empty one: what the other side added to it conflicts below
  const isMergeable = [base, ours, theirs].every((entry) => entry === null || isFolder(entry)) && (isFolder(ours) || isFolder(theirs))
  if (!isMergeable) throw new InputError('merge-conflict', `both sides changed ${Buffer.from(path, 'latin1').toString('utf8')}`)
  const number = (entry: TreeEntry | null) => entry && numberOf(repository, entry.oid)
  const entries = await merged(repository, objects, { base: number(base), ours: number(ours), theirs: number(theirs) }, `${path}/`)
  if (entries.length === 0) return 'nothing'
  const name = new Uint8Array(Buffer.from(path.slice(path.lastIndexOf('/') + 1), 'latin1'))
  return { mode: Mode.tree, name, oid: fromHex(objects.addTree(entries)) }
}
