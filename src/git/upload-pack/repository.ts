// What a fetch reads: the packs of the network, whole objects out of them, and the commits parsed so far.
// Everything here is of one moment: a push makes a new PackSet, and a new FetchRepository beside it.
import type { PackSet } from '../odb/pack-set.ts'
import { CommitTable } from './commit-table.ts'

/** Reads whole objects by their number in the set (ObjectReader does). The bytes are shared: not to be changed. */
export interface ObjectSource {
  read(number: number): Uint8Array | Promise<Uint8Array>
}

/** Kept for as long as the set is current, so that parsed commits serve many requests. */
export interface FetchRepository {
  readonly set: PackSet
  readonly objects: ObjectSource
  readonly commits: CommitTable
  /** Counts in the packs' own headers, by place in the set, as far as they were read. */
  readonly headerCounts: Map<number, number>
}

export function openFetchRepository(set: PackSet, objects: ObjectSource): FetchRepository {
  return { set, objects, commits: new CommitTable(set, objects), headerCounts: new Map() }
}
