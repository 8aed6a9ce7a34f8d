// The order in which objects are searched for deltas, and blobs are written: by kind, then by path, then by version, newer ones first. Versions of a path
// make a tree: each has what it took the place of below it. It is gone through so that a version follows what replaced it, and lines of history stay together.
import { noOlder } from '../format/history-table.ts'
import { Kind } from '../format/object-id.ts'
import type { PackSet } from '../odb/pack-set.ts'
import { stretch, stretchSteps } from '../upload-pack/pace.ts'
import type { PacedRepository } from '../upload-pack/repository.ts'
import type { ObjectPaths } from './object-paths.ts'
import { type SearchOrder, sharedOrder } from './tables.ts'

const kindOrder = [Kind.commit, Kind.tag, Kind.tree, Kind.blob]

/** All objects that are kept. Errors: the reason of the pace's signal. */
export async function versionOrder(repository: PacedRepository, found: ObjectPaths, kept: Uint8Array): Promise<SearchOrder> {
  const { pace, set } = repository
  const sequence = byVersions(olderVersions(repository, found), found.rowOf)
  const regionOf = new Int32Array(set.size)
  const regions = kindOrder.length * (found.hashes.length + 1)
  for (let number = 0; number < set.size; number++) {
    const turn = number % stretch === 0 ? pace.turn(stretchSteps) : undefined
    if (turn) await turn
    const kind = kindOrder.indexOf(set.kind(number))
    // what stands at no known path comes last of its kind
    const path = found.pathOf[number] as number
    regionOf[number] = kept[number] ? kind * (found.hashes.length + 1) + (path < 0 ? found.hashes.length : path) : regions
  }
  const counts = new Uint32Array(regions + 2)
  for (const region of regionOf) counts[region + 1] = (counts[region + 1] as number) + 1
  for (let i = 1; i < counts.length; i++) counts[i] = (counts[i] as number) + (counts[i - 1] as number)
  const cuts = [...new Set(counts.subarray(0, regions + 1))]
  const numbers = new Uint32Array(counts[regions] as number)
  const next = counts.slice()
  for (const number of sequence) {
    const region = regionOf[number] as number
    if (region === regions) continue
    numbers[next[region] as number] = number
    next[region] = (next[region] as number) + 1
  }
  for (let k = 0; k < kindOrder.length; k++) {
    const region = (k + 1) * (found.hashes.length + 1) - 1
    sortUnknown(set, numbers.subarray(counts[region] as number, counts[region + 1] as number), found.rowOf)
  }
  return sharedOrder(numbers, cuts)
}

/** For each object what it took the place of, −1 for nothing. What came with an older commit than that is no version of it: so there are no circles. */
function olderVersions({ history, set }: PacedRepository, { rowOf }: ObjectPaths): Int32Array {
  const { added, commits, firstAdded, firstParents, older, parents, trees } = history
  const versions = new Int32Array(set.size).fill(-1)
  const note = (number: number, before: number, row: number) => {
    if (rowOf[number] === row && versions[number] === -1 && (rowOf[before] as number) < row) versions[number] = before
  }
  for (let row = 0; row < commits.length; row++) {
    const parent = firstParents[row] as number
    if (parent < (firstParents[row + 1] as number)) note(trees[row] as number, trees[parents[parent] as number] as number, row)
    for (let at = firstAdded[row] as number; at < (firstAdded[row + 1] as number); at++) {
      if (older[at] !== noOlder) note(added[at] as number, older[at] as number, row)
    }
  }
  return versions
}

/** All numbers, each behind those that took its place: of these, the line with the most versions first. */
export function byVersions(older: Int32Array, rowOf: Int32Array): Uint32Array {
  const size = older.length
  const newestFirst = byRow(rowOf)
  const weights = new Uint32Array(size).fill(1)
  const firstNewer = new Int32Array(size).fill(-1)
  const nextNewer = new Int32Array(size).fill(-1)
  for (const number of newestFirst) {
    const before = older[number] as number
    if (before < 0) continue
    weights[before] = (weights[before] as number) + (weights[number] as number)
    nextNewer[number] = firstNewer[before] as number
    firstNewer[before] = number
  }
  const sequence = new Uint32Array(size)
  let done = 0
  const stack: number[] = []
  const newer: number[] = []
  for (const root of newestFirst) {
    if ((older[root] as number) >= 0) continue
    stack.push(root)
    while (stack.length > 0) {
      const number = stack.pop() as number
      if (number < 0) {
        sequence[done++] = ~number
        continue
      }
      stack.push(~number)
      newer.length = 0
      for (let one = firstNewer[number] as number; one >= 0; one = nextNewer[one] as number) newer.push(one)
      if (newer.length > 1) newer.sort((a, b) => (weights[a] as number) - (weights[b] as number))
      for (const one of newer) stack.push(one) // as arguments, what one version has been replaced by a hundred thousand times has no room
    }
  }
  return sequence
}

/** All numbers by their rows, the highest first; those without one last. */
export function byRow(rowOf: Int32Array, numbers?: Uint32Array): Uint32Array {
  let rows = 0
  const count = numbers?.length ?? rowOf.length
  const rowAt = (i: number) => rowOf[numbers ? (numbers[i] as number) : i] as number
  for (let i = 0; i < count; i++) rows = Math.max(rows, rowAt(i) + 1)
  const starts = new Uint32Array(rows + 2)
  const bucket = (i: number) => rows - 1 - rowAt(i)
  for (let i = 0; i < count; i++) starts[bucket(i) + 1] = (starts[bucket(i) + 1] as number) + 1
  for (let i = 1; i < starts.length; i++) starts[i] = (starts[i] as number) + (starts[i - 1] as number)
  const sorted = new Uint32Array(count)
  for (let i = 0; i < count; i++) {
    const at = starts[bucket(i)] as number
    sorted[at] = numbers ? (numbers[i] as number) : i
    starts[bucket(i)] = at + 1
  }
  return sorted
}

/**
 * Objects of no known path: commits and tags, by their rows; without a history table everything: then what rests on the same stored object stays
 * together, and of that the largest comes first.
 */
function sortUnknown(set: PackSet, numbers: Uint32Array, rowOf: Int32Array): void {
  if (numbers.every((number) => (rowOf[number] as number) >= 0)) {
    numbers.set(byRow(rowOf, numbers))
    return
  }
  const roots = new Map<number, number>()
  for (const number of numbers) {
    let root = number
    for (let at = number; at >= 0; ) {
      root = at
      const pack = set.packOf(at)
      at = set.base(pack, at - pack.first)
    }
    roots.set(number, root)
  }
  numbers.sort((a, b) => (roots.get(a) as number) - (roots.get(b) as number) || set.sizeBytes(b) - set.sizeBytes(a) || a - b)
}
