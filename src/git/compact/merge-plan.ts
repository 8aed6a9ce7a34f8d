// What a merge of neighbouring packs keeps: each object once, none that an older pack holds, deltas as they are. Pure but for reading indexes.
// Invariants: a delta that is kept is its object's oldest copy in the network, and rests on the kept copy of its base or on an older pack's; any
// other copy that is kept is whole, or becomes it. So deltas lead in no circle (docs/design/compaction.md), and chains end.
import { CorruptError, hex } from '../../base/index.ts'
import type { PackSet } from '../odb/index.ts'
import type { Pace } from '../upload-pack/pace.ts'
import { stretch, stretchSteps } from '../upload-pack/pace.ts'

export interface MergePlan {
  /** What is kept, as it will lie in the pack, but that bases come first. */
  readonly order: Uint32Array
  /**
   * By number less `first`: the number of the kept base, −1 for an object that is to be whole (stored as a delta or not), or −2 − the number of
   * a base in an older pack.
   */
  readonly bases: Int32Array
  /** Number of the first entry of the merged packs. */
  readonly first: number
}

/** An object that would be a deeper delta is kept as a whole copy, where the merged packs have one… */
const deepDelta = 50
/** …and is written anew as a whole where they have none. Who pushes copies for bases can make chains as long as many pushes. */
export const deepestDelta = 200

/** @param from,until places of the merged packs in the set */
export async function planMerge(set: PackSet, from: number, until: number, pace: Pace): Promise<MergePlan> {
  return await new Planner(set, from, until).plan(pace)
}

class Planner {
  readonly #set: PackSet
  readonly #from: number
  readonly #until: number
  readonly #first: number
  /** By number less `first`: number of a whole copy of the object whose oldest copy that is, plus one. */
  readonly #whole: Uint32Array
  readonly #bases: Int32Array
  /** By number less `first`: depth in the new pack plus one; 0: not known yet. Counted on where a base is outside. */
  readonly #depth: Uint32Array
  /** The kept copy of each oldest copy, plus one; 0: not decided. */
  readonly #kept: Uint32Array

  constructor(set: PackSet, from: number, until: number) {
    this.#set = set
    this.#from = from
    this.#until = until
    this.#first = set.packs[from]?.first ?? 0
    const last = set.packs[until - 1]
    const size = last ? last.first + last.index.count - this.#first : 0
    this.#whole = new Uint32Array(size)
    this.#bases = new Int32Array(size).fill(-1)
    this.#depth = new Uint32Array(size)
    this.#kept = new Uint32Array(size)
  }

  async plan(pace: Pace): Promise<MergePlan> {
    const oldest = await this.#look(pace)
    const kept: number[] = []
    for (const number of oldest) {
      const turn = pace.turn()
      if (turn) await turn
      kept.push(this.#decide(number))
    }
    return { order: this.#ordered(kept), bases: this.#bases, first: this.#first }
  }

  /** The oldest copies of objects that no older pack holds, newest pack first; whole copies are noted on the way. */
  async #look(pace: Pace): Promise<number[]> {
    const set = this.#set
    const found: number[] = []
    let steps = 0
    for (let place = this.#until - 1; place >= this.#from; place--) {
      const pack = set.packs[place]
      if (!pack) throw new RangeError('a merge of packs that are not in the set')
      for (const position of pack.index.order()) {
        const turn = ++steps % stretch === 0 ? pace.turn(stretchSteps) : undefined
        if (turn) await turn
        const number = pack.first + position
        const known = set.find(pack.index.oid(position), 0)
        if (known < 0 || known > number) throw new CorruptError('stored-pack', `${hex(pack.index.oid(position))} is not in its own network`)
        if (known < this.#first) continue // an older pack has it, and that copy counts
        if (known === number) found.push(number)
        if (pack.index.base(position) < 0) this.#whole[known - this.#first] = number + 1
      }
    }
    return found
  }

  /** Decides on an object by its oldest copy, and on what it rests on before; gives the kept copy. */
  #decide(number: number): number {
    const chain: number[] = []
    for (let at = number; at >= this.#first && this.#kept[at - this.#first] === 0; at = this.#baseOf(at)) chain.push(at)
    for (let at = chain.pop(); at !== undefined; at = chain.pop()) this.#choose(at)
    return (this.#kept[number - this.#first] as number) - 1
  }

  /** By which number the base is known, or −1. */
  #baseOf(number: number): number {
    const pack = this.#set.packOf(number)
    return this.#set.baseObject(pack, number - pack.first)
  }

  #choose(number: number): void {
    const place = number - this.#first
    const base = this.#baseOf(number)
    const isOutside = base >= 0 && base < this.#first
    let depth = 0
    if (isOutside) depth = this.#set.depth(base, deepDelta) + 1
    else if (base >= 0) depth = this.#depth[base - this.#first] as number
    const whole = this.#whole[place] as number
    if (depth > deepDelta && whole > 0) {
      this.#kept[place] = whole
      this.#depth[place] = 1
      return
    }
    this.#kept[place] = number + 1
    if (depth > deepestDelta) {
      this.#depth[place] = 1
      return
    }
    this.#depth[place] = depth + 1
    if (isOutside) this.#bases[place] = -2 - base
    else if (base >= 0) this.#bases[place] = (this.#kept[base - this.#first] as number) - 1
  }

  /** Commits, tags, trees, blobs; of each the newest pack's first, as they lie there: what is read together lies together. */
  #ordered(kept: readonly number[]): Uint32Array {
    const rank = [0, 0, 2, 3, 1]
    const kinds = kept.map((number) => rank[this.#set.kind(number)] as number)
    const order = new Uint32Array(kept.length)
    for (let kind = 0, at = 0; kind < 4; kind++) {
      for (let i = 0; i < kept.length; i++) if (kinds[i] === kind) order[at++] = kept[i] as number
    }
    return order
  }
}
