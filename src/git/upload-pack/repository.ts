// What a fetch reads: the packs of the network, whole objects out of them, and the commits parsed so far.
// Everything here is of one moment: a push makes a new PackSet, and a new FetchRepository beside it.
import { fromHex } from '../../base/index.ts'
import type { ObjectId } from '../format/object-id.ts'
import { Deflater } from '../odb/deflater.ts'
import type { PackSet, StoredPack } from '../odb/pack-set.ts'
import { PathIndex } from '../paths/path-index.ts'
import { KeptAdds } from './added-objects.ts'
import { CommitTable } from './commit-table.ts'
import { emptyHistory, type History, isNearlyWhole, openHistory } from './history.ts'
import { Pace } from './pace.ts'
import type { RegionSegments } from './run-bytes.ts'

/** Reads whole objects by their number in the set (ObjectReader does). The bytes are shared: not to be changed. */
export interface ObjectSource {
  read(number: number): Uint8Array | Promise<Uint8Array>
  /** A large object, without ever holding more than what its delta rests on; the pieces are the receiver's. Large ones take turns. */
  pieces(number: number, signal?: AbortSignal): AsyncIterable<Uint8Array>
}

/** Kept for as long as the set is current, so that parsed commits serve many requests. */
export interface FetchRepository {
  readonly set: PackSet
  readonly objects: ObjectSource
  /** The thread's. */
  readonly deflater: Deflater
  readonly commits: CommitTable
  /** Commits whose parents the repository doesn't have. */
  readonly cutOff: ReadonlySet<number>
  /** What is known of commits without reading any; empty when there is no table. */
  readonly history: History
  /** So little is outside of the history table that closures are exact, and cheap. */
  readonly exact: boolean
  /** What commits outside of the history table add, as far as it was asked for and there was room. */
  readonly added: KeptAdds
  /** Which commits changed which paths, as far as it was stored or asked for. Goes by ids, so it stays as packs come and go. */
  readonly paths: PathIndex
  /** Counts in the packs' own headers, by place in the set, as far as they were read. */
  readonly headerCounts: Map<number, number>
  /** What the bytes of whole packs are checked by, by place in the set, as far as it was asked for. */
  readonly packSegments: Map<number, RegionSegments>
  /** How many commits some of them lead to, themselves among them, as far as it was asked for. */
  readonly reachedCounts: Map<number, number>
  /** The tips that were asked about last: they seldom change from one request to the next. */
  readonly lastTips: { value: KnownTips | null }
}

/** The tips of one repository's visible refs. */
export interface KnownTips {
  /** Packed ids, as the request gave them. */
  readonly ids: Uint8Array
  /** The same, as far as they are stored. */
  readonly numbers: ReadonlySet<number>
  /** Packs that the tips reach as wholes; null until somebody asks. */
  taken: readonly StoredPack[] | null
  /** `Mark.send` on all that the tips reach; null until somebody asks. */
  closure: Uint8Array | null
}

/** The repository in the hands of one request. */
export interface PacedRepository extends FetchRepository {
  readonly pace: Pace
  /** What trees name and the store doesn't have is passed over: whoever asks gets it from a promisor. */
  readonly mayLack: boolean
}

export function paced(repository: FetchRepository, signal?: AbortSignal, mayLack = false): PacedRepository {
  // what was found with gaps is nothing for others to build on
  const own = mayLack ? { added: new KeptAdds() } : {}
  return { ...repository, ...own, pace: new Pace(signal), mayLack }
}

/**
 * @param table the bytes of a history table, or null; one that was made for other packs is passed over. CorruptError when it is none
 * @param shallow commits at which the repository is cut off; a table doesn't know of them, so it is not used then
 * @param deflater the thread's
 * @param paths made for the same network and the same `shallow`
 */
export function openFetchRepository(
  set: PackSet,
  objects: ObjectSource,
  table: Uint8Array | null = null,
  shallow: readonly ObjectId[] = [],
  deflater = new Deflater(),
  paths = new PathIndex(set.format),
): FetchRepository {
  const history = (table && shallow.length === 0 && openHistory(table, set)) || emptyHistory(set)
  const cutOff = new Set(shallow.map((oid) => set.find(fromHex(oid), 0)).filter((number) => number >= 0))
  return {
    set,
    objects,
    deflater,
    commits: new CommitTable(set, objects, history, cutOff),
    cutOff,
    history,
    exact: isNearlyWhole(history, set),
    added: new KeptAdds(),
    paths,
    headerCounts: new Map(),
    packSegments: new Map(),
    reachedCounts: new Map(),
    lastTips: { value: null },
  }
}
