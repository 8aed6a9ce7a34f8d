// How the selected objects become a pack: stored regions that are copied as they stand, and entries that get a new header or are encoded anew.
// A region may be copied when every delta in it rests on an entry of the same region: then all distances stay what they are. A delta whose base
// is outside of its pack names it by id; it gets a new header, too, since the base's place in the new pack is mostly known, and shorter.
import type { PackSet, StoredPack } from '../odb/pack-set.ts'
import { Mark } from './commit-walk.ts'
import type { DeltaCandidates } from './delta-search.ts'
import { type Pace, stretch, stretchSteps } from './pace.ts'
import type { PackRequest, Selection } from './selection.ts'
import { sentPositions } from './sent-positions.ts'

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
      selection.whole.has(pack) && request.ofsDelta && !doubled && pack.index.outsideCount === 0
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
  const ranks = await sentRanks(pack, marks, rules.pace)
  const order = ranks.length > 0 ? index.order() : ranks
  let deltas = 0
  let from = -1 // of the open run
  let copy = false
  let end = 0 // of the open run: behind its last rank
  const close = () => {
    if (from >= 0) runs.push({ pack: place, from, to: end, copy })
  }
  for (let i = 0; i < ranks.length; i++) {
    const turn = i % stretch === 0 ? rules.pace.turn(stretchSteps) : undefined
    if (turn) await turn
    const rank = ranks[i] as number
    const position = order[rank] as number
    const base = index.base(position)
    if (base >= 0) deltas++
    let mayCopy = base < 0 && !rules.doubled && !rules.candidates.has(first + position)
    if (base >= 0 && base < index.count && rules.copyDeltas && copy && rank === end) {
      const baseRank = index.rank(base)
      mayCopy = baseRank >= from && baseRank < rank
    }
    if (from < 0 || rank !== end || mayCopy !== copy) {
      close()
      from = rank
      copy = mayCopy
    }
    end = rank + 1
  }
  close()
  return { objects: ranks.length, deltas }
}

/** Ranks of the entries that are sent, ascending. Of a few among many they are sorted; walking through all in the pack's order is dearer. */
async function sentRanks(pack: StoredPack, marks: Uint8Array, pace: Pace): Promise<Uint32Array> {
  const { first, index } = pack
  const positions = await sentPositions(pack, marks, pace)
  if (positions.length * 16 < index.count) return positions.map((position) => index.rank(position)).sort()
  const order = index.order()
  const ranks = new Uint32Array(positions.length)
  let at = 0
  for (let rank = 0; rank < order.length; rank++) {
    const turn = rank % stretch === 0 ? pace.turn(stretchSteps) : undefined
    if (turn) await turn
    if ((marks[first + (order[rank] as number)] as number) & Mark.send) ranks[at++] = rank
  }
  return ranks
}
