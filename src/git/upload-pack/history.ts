// A network's history table (docs/design/history-key.md) joined with a set of packs: what planning a fetch asks instead of reading objects.
// Objects of packs that came later are not in it; they are few, and parsed when they are asked for.
import { CorruptError } from '../../base/index.ts'
import { decodeHistory, type HistoryParts, noOlder } from '../format/history-table.ts'
import type { PackSet } from '../odb/pack-set.ts'

/** The table's arrays, in numbers of the set. */
export interface History extends HistoryParts {
  /** Numbers below this one are those of the table's packs. */
  readonly size: number
}

/** How many objects may be unknown to the table and still be looked at one by one, rather than walking as if there were no table. */
const mostUncovered = 8192

/** Packs from so many objects on were large. */
const onceLarge = 4096

/** No commit, no pack. */
export function emptyHistory(set: PackSet): History {
  const none = new Uint32Array(0)
  const first = new Uint32Array(1)
  const lists = { commits: none, trees: none, times: new Float64Array(0), parents: none, added: none, older: none, tags: none }
  return { ...lists, format: set.format, packs: [], firstParents: first, firstAdded: first, size: 0 }
}

/**
 * The table over the set.
 * @returns null when it was made for other packs: then it is of no use, and nothing is wrong
 * @throws CorruptError when it isn't a table
 */
export function openHistory(bytes: Uint8Array, set: PackSet): History | null {
  const { prev, ...parts } = decodeHistory(bytes)
  if (prev.packs > 0) throw new CorruptError('history-table', 'a history table without the one that it goes on with')
  if (parts.format !== set.format) throw new CorruptError('history-table', 'a history table of another object format')
  let size = 0
  for (const [place, pack] of parts.packs.entries()) {
    const stored = set.packs[place]
    if (stored?.id !== pack.id || stored.index.count !== pack.count) return null
    size += pack.count
  }
  return canonical({ ...parts, size }, set)
}

/** True when so little is outside of the table that the exact closure of any commit is cheap. */
export function isNearlyWhole(history: History, set: PackSet): boolean {
  return set.size - history.size <= mostUncovered
}

/** Tables were made when a large pack's copy of an object counted, and not an older small one's: their numbers are translated. */
function canonical(history: History, set: PackSet): History {
  const moved = new Map<number, number>()
  const packs = set.packs.slice(0, history.packs.length)
  for (const [place, large] of packs.entries()) {
    if (large.index.count < onceLarge) continue
    for (const { index } of packs.slice(0, place)) {
      for (let position = 0; index.count < onceLarge && position < index.count; position++) {
        const copy = large.index.find(index.oid(position), 0)
        if (copy >= 0) moved.set(large.first + copy, set.find(index.oid(position), 0))
      }
    }
  }
  if (moved.size === 0) return history
  const map = (numbers: Uint32Array) => numbers.map((number) => (number === noOlder ? noOlder : (moved.get(number) ?? number)))
  const { commits, trees, added, older, tags } = history
  return { ...history, commits: map(commits), trees: map(trees), added: map(added), older: map(older), tags: map(tags) }
}

/** The number that an annotated tag of the table points to, or −1. */
export function knownTagTarget({ tags }: History, tag: number): number {
  let low = 0
  let high = tags.length / 2 - 1
  while (low <= high) {
    const middle = (low + high) >>> 1
    const number = tags[middle * 2] as number
    if (number === tag) return tags[middle * 2 + 1] as number
    if (number < tag) low = middle + 1
    else high = middle - 1
  }
  return -1
}
