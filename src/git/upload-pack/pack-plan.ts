// How the selected objects become a pack: stored regions that are copied as they stand, and entries that get a new header or are encoded anew.
// A region may be copied when every delta in it rests on an entry of the same region: then all distances stay what they are.
import type { PackSet, StoredPack } from '../odb/pack-set.ts'
import { Mark } from './commit-walk.ts'
import type { DeltaCandidates } from './delta-search.ts'
import { type Pace, stretch, stretchSteps } from './pace.ts'
import type { PackRequest, Selection } from './selection.ts'

/** Entries of one pack that lie one behind the other: ranks `from` … `to` − 1. */
export interface Run {
  /** Place of the pack in the set. */
  readonly pack: number
  readonly from: number
  readonly to: number
  /** Copied as it stands; else each entry is looked at. */
  readonly copy: boolean
}

export interface PackPlan {
  readonly objectCount: number
  readonly deltaCount: number
  readonly runs: readonly Run[]
  /** Place of the pack that is sent byte for byte, its own trailer included; null: a new pack is put together. */
  readonly verbatim: number | null
  readonly marks: Uint8Array
  readonly thinPack: boolean
  readonly ofsDelta: boolean
  readonly candidates: DeltaCandidates
}

/**
 * @param candidates objects that are looked at one by one, since they may become deltas
 * @param headerCounts for each pack, the count in its own header: where it differs from the index's, an object is stored twice
 */
export async function planRuns(
  set: PackSet,
  selection: Selection,
  request: PackRequest,
  candidates: DeltaCandidates,
  headerCounts: readonly number[],
  pace: Pace,
): Promise<PackPlan> {
  const runs: Run[] = []
  let objectCount = 0
  let deltaCount = 0
  for (const [place, pack] of set.packs.entries()) {
    const turn = pace.turn(8)
    if (turn) await turn
    const doubled = headerCounts[place] !== pack.index.count
    const added =
      selection.whole.has(pack) && request.ofsDelta && !doubled
        ? wholeRun(pack, place, runs)
        : await packRuns(pack, place, selection, { copyDeltas: request.ofsDelta, doubled, pace, candidates }, runs)
    objectCount += added.objects
    deltaCount += added.deltas
  }
  const only = runs.length === 1 ? runs[0] : undefined
  const verbatim = only?.copy && only.from === 0 && only.to === headerCounts[only.pack] ? only.pack : null
  const { ofsDelta, thinPack } = request
  return { objectCount, deltaCount, runs, verbatim, marks: selection.marks, thinPack, ofsDelta, candidates }
}

interface Added {
  readonly objects: number
  readonly deltas: number
}

function wholeRun(pack: StoredPack, place: number, runs: Run[]): Added {
  const { index } = pack
  let deltas = 0
  for (let position = 0; position < index.count; position++) if (index.base(position) >= 0) deltas++
  runs.push({ pack: place, from: 0, to: index.count, copy: true })
  return { objects: index.count, deltas }
}

/** `doubled`: entries end in no known place, so that none may be copied. */
async function packRuns(
  pack: StoredPack,
  place: number,
  { marks }: Selection,
  rules: { readonly copyDeltas: boolean; readonly doubled: boolean; readonly candidates: DeltaCandidates; readonly pace: Pace },
  runs: Run[],
): Promise<Added> {
  const { index, first } = pack
  if (!sendsAny(marks, first, first + index.count)) return { objects: 0, deltas: 0 }
  const order = index.order()
  let objects = 0
  let deltas = 0
  let from = -1 // of the open run
  let copy = false
  const close = (to: number) => {
    if (from >= 0) runs.push({ pack: place, from, to, copy })
    from = -1
  }
  for (let rank = 0; rank < order.length; rank++) {
    const turn = rank % stretch === 0 ? rules.pace.turn(stretchSteps) : undefined
    if (turn) await turn
    const position = order[rank] as number
    if (!((marks[first + position] as number) & Mark.send)) {
      if (from >= 0) close(rank)
      continue
    }
    objects++
    const base = index.base(position)
    if (base >= 0) deltas++
    let mayCopy = base < 0 && !rules.doubled && !rules.candidates.has(first + position)
    if (base >= 0 && rules.copyDeltas && copy && from >= 0) {
      const baseRank = index.rank(base)
      mayCopy = baseRank >= from && baseRank < rank
    }
    if (from < 0 || mayCopy !== copy) {
      close(rank)
      from = rank
      copy = mayCopy
    }
  }
  close(order.length)
  return { objects, deltas }
}

/** Sorting a pack's entries by place costs more than this look, which spares it for packs that have no part in the answer. */
function sendsAny(marks: Uint8Array, from: number, to: number): boolean {
  for (let number = from; number < to; number++) if ((marks[number] as number) & Mark.send) return true
  return false
}
