// Objects that keep the deltas that they are stored with, as bases for those that are searched beside them.
// Invariant: what is held rests on nothing that a search may still find a base for. So its depth is known, and no search leads in a circle.
import type { PackSet } from '../odb/index.ts'
import type { DeltaWindow } from './delta-window.ts'
import { Keep, type RepackTables } from './tables.ts'

/** Held from a region's beginning on: what comes first in it is new, and would have nothing to rest on that keeps its place. */
const ahead = 2

export class TakenBases {
  readonly #tables: RepackTables
  readonly #set: PackSet
  readonly #window: Pick<DeltaWindow, 'hold'>
  /** By number, of what was searched: the region, plus one. Another thread's don't count, though they may be done. */
  readonly #decidedIn: Uint32Array
  #region = 0
  /** Whether something is searched in this region. */
  isNeeded = false

  constructor(tables: RepackTables, set: PackSet, window: Pick<DeltaWindow, 'hold'>) {
    this.#tables = tables
    this.#set = set
    this.#window = window
    this.#decidedIn = new Uint32Array(tables.kept.length)
  }

  enter(region: number, numbers: Uint32Array): void {
    const { kept } = this.#tables
    this.#region = region + 1
    this.isNeeded = numbers.some((number) => kept[number] === Keep.search)
    if (!this.isNeeded) return
    let held = 0
    for (const number of numbers) {
      if (kept[number] === Keep.base && this.hold(number) && ++held === ahead) return
    }
  }

  decide(number: number): void {
    this.#decidedIn[number] = this.#region
  }

  /** False when it may not be a base. */
  hold(number: number): boolean {
    const depth = this.#depth(number)
    if (depth < 0) return false
    this.#window.hold(number, this.#set.sizeBytes(number), depth)
    return true
  }

  /** −1 when something that it rests on isn't decided. */
  #depth(number: number): number {
    const { base, kept } = this.#tables
    for (let at = number, depth = 0; ; depth++) {
      if (kept[at] === Keep.search && this.#decidedIn[at] !== this.#region) return -1
      const below = base[at] as number
      if (below < 0) return depth
      at = below
    }
  }
}
