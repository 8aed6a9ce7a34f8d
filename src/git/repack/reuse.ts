// Stored deltas that are taken over: of objects that are too large to be searched always, of others when that is asked for; and of what is taken
// over, what others may rest on.
// Invariant: what is marked makes no circle, though copies of one object in several packs rest on different bases.
import type { PackSet } from '../odb/index.ts'
import { stretch, stretchSteps } from '../upload-pack/pace.ts'
import type { PacedRepository } from '../upload-pack/repository.ts'
import { Keep, type RepackTables, type Reuse, type SearchOrder } from './tables.ts'

/** What as many deltas rest on, one on the other, as this part of the depth gets no base in a search that keeps them: they would be too deep. */
const tallPart = 1 / 2

export interface Taken {
  readonly reuse: Reuse
  /** Lower numbers are those of packs that stay: what is in them rests on what it rests on. */
  readonly first: number
  readonly depth: number
  /** Larger objects keep their deltas. */
  readonly largestBytes: number
}

/** Sets `base` and `depth` of what keeps its delta, and takes it out of the search. */
export async function reuseDeltas(
  { pace, set }: PacedRepository,
  tables: RepackTables,
  { reuse, first: firstKept, depth: deepest, largestBytes }: Taken,
): Promise<void> {
  const { base, depth, kept } = tables
  for (const pack of set.packs) {
    const { first, index } = pack
    const isOutside = first < firstKept
    const isTaken = isOutside || pack.id === reuse
    for (let position = 0; position < index.count; position++) {
      const turn = position % stretch === 0 ? pace.turn(stretchSteps) : undefined
      if (turn) await turn
      const number = first + position
      if ((kept[number] === Keep.no && !isOutside) || index.base(position) < 0) continue
      if (!isTaken && index.sizeBytes(position) <= largestBytes) continue
      const canonical = set.baseObject(pack, position)
      if (kept[canonical] !== Keep.no || isOutside) base[number] = canonical
    }
  }
  const isOpen = new Uint8Array(base.length)
  const isDone = new Uint8Array(base.length)
  const chain: number[] = []
  for (let number = 0; number < base.length; number++) {
    let at = number
    while ((base[at] as number) >= 0 && isDone[at] === 0 && isOpen[at] === 0) {
      isOpen[at] = 1
      chain.push(at)
      at = base[at] as number
    }
    if (isOpen[at] === 1) base[at] = -1 // a circle: it is opened here
    for (let one = chain.pop(); one !== undefined; one = chain.pop()) {
      isOpen[one] = 0
      isDone[one] = 1
      const below = base[one] as number
      if (below < 0) continue
      const deep = (depth[below] as number) + 1
      if (deep > deepest && kept[one] === Keep.search) base[one] = -1
      else depth[one] = Math.min(deep, 0xffff)
    }
  }
  for (let number = 0; number < base.length; number++) {
    if ((base[number] as number) >= 0 && kept[number] === Keep.search) kept[number] = Keep.base
  }
}

/**
 * Of one pack that is taken over: what is stored whole stays so where nothing new comes before it in its region, or where too much rests on it.
 * @param height as of the reused deltas
 */
export function keepWhole(
  set: PackSet,
  { base, kept }: RepackTables,
  { numbers, cuts }: SearchOrder,
  height: Uint16Array,
  job: {
    readonly reuse: Reuse
    readonly depth: number
  },
): void {
  if (job.reuse === null) return
  for (let region = 0; region + 1 < cuts.length; region++) {
    let isBehindNew = false
    for (let i = cuts[region] as number; i < (cuts[region + 1] as number); i++) {
      const number = numbers[i] as number
      if (kept[number] !== Keep.search) continue
      if (set.packOf(number).id !== job.reuse) isBehindNew = true
      else if (
        (base[number] as number) < 0 &&
        isStoredWhole(set, number) &&
        (!isBehindNew || (height[number] as number) > job.depth * tallPart)
      )
        kept[number] = Keep.base
    }
  }
}

function isStoredWhole(set: PackSet, number: number): boolean {
  const pack = set.packOf(number)
  return pack.index.base(number - pack.first) < 0
}
