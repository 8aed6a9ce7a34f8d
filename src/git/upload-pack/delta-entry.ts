// Deltas that are made anew, one object at a time: tried against its candidates, and taken where that pays.
import { encodeDelta } from '../format/delta.ts'
import { Mark } from './commit-walk.ts'
import type { DeltaCandidates } from './delta-search.ts'
import type { PacedRepository } from './repository.ts'

export interface NewDelta {
  readonly base: number
  readonly deltaBytes: number
  readonly deflated: Uint8Array
}

/** Deltas on new deltas: chains grow no longer than git's own. */
const deepest = 50
/** A delta of at most this part of the object is good enough not to look further. */
const goodPart = 1 / 8
const mostPart = 1 / 2

export class DeltaEntries {
  readonly #repository: PacedRepository
  readonly #marks: Uint8Array
  readonly #candidates: DeltaCandidates
  readonly #depths = new Map<number, number>() // of new deltas

  constructor(repository: PacedRepository, marks: Uint8Array, candidates: DeltaCandidates) {
    this.#repository = repository
    this.#marks = marks
    this.#candidates = candidates
  }

  /**
   * The object as a delta, or null when none pays.
   * @param isSettled whether a sent object is written already, as is all that its delta rests on: nothing else can end in a circle
   * @param wholeBytes of the object deflated, where it is stored so; else infinite
   */
  async make(number: number, isSettled: (base: number) => boolean, wholeBytes: number): Promise<NewDelta | null> {
    const candidates = this.#candidates.get(number)
    if (!candidates) return null
    const { objects, set } = this.#repository
    const sizeBytes = set.sizeBytes(number)
    let best: { base: number; delta: Uint8Array } | null = null
    for (const base of candidates) {
      if (!((this.#marks[base] as number) & Mark.client) && !isSettled(base)) continue
      const baseBytes = set.sizeBytes(base)
      if (set.kind(base) !== set.kind(number) || baseBytes > sizeBytes * 16 || baseBytes * 32 < sizeBytes) continue
      if ((this.#depths.get(base) ?? 0) >= deepest) continue
      const readBase = objects.read(base)
      const from = readBase instanceof Promise ? await readBase : readBase
      const readObject = objects.read(number)
      const object = readObject instanceof Promise ? await readObject : readObject
      const limit: number = best ? best.delta.length - 1 : Math.floor(sizeBytes * mostPart)
      const delta: Uint8Array | null = encodeDelta(from, object, limit)
      if (delta) best = { base, delta }
      if (best && best.delta.length <= sizeBytes * goodPart) break
    }
    if (!best) return null
    const deflated = this.#repository.deflater.view(best.delta)
    if (deflated.length >= wholeBytes) return null
    this.#depths.set(number, (this.#depths.get(best.base) ?? 0) + 1)
    return { base: best.base, deltaBytes: best.delta.length, deflated: deflated.slice() }
  }
}
