// The blob that a `sparse:oid` filter names: walked to by its path, and served as patterns only when the visible refs reach it.
import { equalBytes, fromHex, hex, InputError, utf8 } from '../../base/index.ts'
import { printable } from '../format/capabilities.ts'
import { Kind, type ObjectId } from '../format/object-id.ts'
import { isTreeMode, newTreeCursor, nextTreeEntry } from '../format/tree.ts'
import type { SparseName } from './fetch-task.ts'
import { objectSteps } from './pace.ts'
import type { PacedRepository } from './repository.ts'
import { peelTags } from './peel-tags.ts'
import { unreached } from './reach.ts'

/** Patterns are compared with every path of the history: a file that may be larger is no file of patterns. */
const mostPatternBytes = 256 << 10

/**
 * The blob's id.
 * @param tips packed ids
 * @throws InputError `sparse-filter` in git's words: the same for what is missing and for what nothing visible reaches
 */
export async function sparseBlob(repository: PacedRepository, tips: Uint8Array, sparse: SparseName): Promise<ObjectId> {
  const { set } = repository
  const missing = new InputError('sparse-filter', `unable to access sparse blob in '${printable(sparse.name)}'`)
  const start = set.find(fromHex(sparse.oid), 0)
  // of the start, not of what is found: where nothing visible reaches it, what stands at which path below it is nobody's to find out
  if (start < 0 || (await unreached(repository, tips, [start])).length > 0) throw missing
  const number = sparse.path === null ? start : await follow(repository, start, sparse.path)
  if (number < 0) throw missing
  const oid = hex(set.oid(number)) as ObjectId
  if (set.kind(number) !== Kind.blob || set.sizeBytes(number) > mostPatternBytes) {
    throw new InputError('sparse-filter', `unable to parse sparse filter data in ${oid}`)
  }
  return oid
}

/** Number of what stands at the path below a commit, tag or tree; −1 when nothing does. An empty path is the tree itself. */
async function follow(repository: PacedRepository, start: number, path: string): Promise<number> {
  const { commits, set } = repository
  let at = await peelTags(repository, start)
  if (set.kind(at) === Kind.commit) {
    const loading = commits.load(at)
    if (loading) await loading
    at = commits.tree(at)
  }
  for (const name of path === '' ? [] : path.split('/')) {
    if (at < 0 || set.kind(at) !== Kind.tree) return -1
    at = await entryOf(repository, at, utf8(name))
  }
  return at
}

async function entryOf({ objects, pace, set }: PacedRepository, tree: number, name: Uint8Array): Promise<number> {
  const cursor = newTreeCursor(await objects.read(tree), set.format)
  while (nextTreeEntry(cursor)) {
    const turn = pace.turn(objectSteps)
    if (turn) await turn
    if (!equalBytes(cursor.bytes.subarray(cursor.nameStart, cursor.nameEnd), name)) continue
    const number = set.find(cursor.bytes, cursor.oidStart)
    return number >= 0 && isTreeMode(cursor.mode) === (set.kind(number) === Kind.tree) ? number : -1
  }
  return -1
}
