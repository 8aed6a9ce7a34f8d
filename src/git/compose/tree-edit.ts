// Trees with some of their entries changed: only the trees on the way to a change are made anew; a folder that nothing is left in goes.
import { fromHex, hex, InputError, latin1 } from '../../base/index.ts'
import type { ObjectId } from '../format/object-id.ts'
import { compareTreeEntries, isTreeMode, Mode, type TreeEntry } from '../format/tree.ts'
import { entriesOf, numberOf } from '../browse/tree-list.ts'
import type { PacedRepository } from '../upload-pack/repository.ts'
import type { NewObjects } from './new-objects.ts'

/** What shall stand at a path; null: nothing. */
export type Placed = { readonly mode: number; readonly oid: ObjectId } | null

interface Level {
  readonly here: Map<string, Placed>
  readonly below: Map<string, Level>
}

/**
 * The id of the new root, which is among the objects in any case.
 * @param base null: an empty tree
 * @param edits by path, one character for each byte; paths are well formed (`assertTreePath`)
 * @throws InputError `tree-edit` when a path is given twice, stands below another one that isn't a folder, or isn't there to be taken away
 */
export async function editTree(
  repository: PacedRepository,
  objects: NewObjects,
  base: number | null,
  edits: ReadonlyMap<string, Placed>,
): Promise<ObjectId> {
  const entries = await edited(repository, objects, base, levelsOf(edits), '')
  return objects.addTree(entries)
}

function levelsOf(edits: ReadonlyMap<string, Placed>): Level {
  const newLevel = (): Level => ({ here: new Map(), below: new Map() })
  const root = newLevel()
  for (const [path, placed] of edits) {
    const parts = path.split('/')
    const name = parts.pop() as string
    let level = root
    for (const part of parts) {
      if (level.here.get(part)) throw new InputError('tree-edit', `tree: ${part} can not be both a file and a folder`)
      const next = level.below.get(part) ?? newLevel()
      level.below.set(part, next)
      level = next
    }
    if (level.below.has(name) && placed !== null) throw new InputError('tree-edit', `tree: ${name} can not be both a file and a folder`)
    level.here.set(name, placed)
  }
  return root
}

async function edited(
  repository: PacedRepository,
  objects: NewObjects,
  base: number | null,
  level: Level,
  prefix: string,
): Promise<TreeEntry[]> {
  const turn = repository.pace.turn()
  if (turn) await turn
  const byName = new Map((base === null ? [] : await entriesOf(repository, base)).map((entry) => [latin1(entry.name), entry]))
  for (const [name, placed] of level.here) {
    if (placed !== null) byName.set(name, entryOf(name, placed.mode, placed.oid))
    else if (!byName.delete(name)) throw new InputError('tree-edit', `tree: ${prefix}${name} does not exist and can not be taken away`)
  }
  for (const [name, below] of level.below) {
    const old = byName.get(name)
    // a file where a folder is to be makes room
    const number = old && isTreeMode(old.mode) ? numberOf(repository, old.oid) : null
    const entries = await edited(repository, objects, number, below, `${prefix}${name}/`)
    if (entries.length === 0) byName.delete(name)
    else byName.set(name, entryOf(name, Mode.tree, objects.addTree(entries)))
  }
  return [...byName.values()].sort(compareTreeEntries)
}

function entryOf(name: string, mode: number, oid: ObjectId): TreeEntry {
  return { mode, name: new Uint8Array(Buffer.from(name, 'latin1')), oid: fromHex(oid) }
}

const longestPath = 4096
const longestName = 255

/** InputError `tree-path` for what is no path of a file in a tree. @param path one character for each byte */
export function assertTreePath(path: string, shown: string): void {
  const isBad = path
    .split('/')
    .some(
      (part) => part === '' || part === '.' || part === '..' || part.length > longestName || part.includes('\0') || /^\.git$/i.test(part),
    )
  if (isBad || path.length > longestPath) throw new InputError('tree-path', `path: '${printable(shown)}' is no path of a file`)
}

function printable(text: string): string {
  // oxlint-disable-next-line no-control-regex
  return text.slice(0, 200).replaceAll(/[\u0000-\u001f\u007f]/g, '?')
}

/** The same id as the entry's: nothing was changed. */
export function isSame(entry: TreeEntry | null, placed: Placed): boolean {
  return entry === null ? placed === null : placed !== null && entry.mode === placed.mode && hex(entry.oid) === placed.oid
}
