// Trees and what stands in them, marked in bulk. The hot loop of every fetch that isn't served by whole packs.
import { CorruptError, hex } from '../../base/index.ts'
import { hashBytes } from '../format/object-id.ts'
import type { FetchRepository } from './repository.ts'

const space = 32
const one = 49
const four = 52
const six = 54

/**
 * Sets `mark` on the tree and everything below it, but stays out of what already carries any of `stopAt`'s bits.
 * @throws CorruptError when a tree is not well formed or names something that isn't stored
 */
export async function markTree(repository: FetchRepository, marks: Uint8Array, tree: number, mark: number, stopAt: number): Promise<void> {
  if ((marks[tree] as number) & stopAt) return
  marks[tree] = (marks[tree] as number) | mark
  const stack = [tree]
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    const read = repository.objects.read(next)
    markEntries(repository, marks, next, read instanceof Promise ? await read : read, mark, stopAt, stack)
  }
}

/** Marks what stands in one tree, and puts its subtrees that were not marked yet on the stack. */
function markEntries(
  repository: FetchRepository,
  marks: Uint8Array,
  tree: number,
  bytes: Uint8Array,
  mark: number,
  stopAt: number,
  stack: number[],
): void {
  const set = repository.set
  const idBytes = hashBytes(set.format)
  const end = bytes.length
  let at = 0
  while (at < end) {
    // "40000 " is a tree, "160000 " a submodule's commit that is none of ours, anything else a blob
    const isTree = bytes[at] === four
    const isSubmodule = bytes[at] === one && bytes[at + 1] === six
    while (at < end && bytes[at] !== space) at++
    while (at < end && bytes[at] !== 0) at++
    const id = at + 1
    at = id + idBytes
    if (at > end) throw new CorruptError('object', `tree ${hex(set.oid(tree))} is cut off`)
    if (isSubmodule) continue
    const number = set.find(bytes, id)
    if (number < 0) {
      throw new CorruptError('object', `tree ${hex(set.oid(tree))} refers to ${hex(bytes.subarray(id, at))}, which is not stored`)
    }
    const present = marks[number] as number
    if (present & stopAt) continue
    marks[number] = present | mark
    if (isTree) stack.push(number)
  }
}
