// Where entries start in the pack that is being written. A table over all numbers costs more than a small answer is worth: that gets a map.

const fewObjects = 50_000

export class EntryStarts {
  // an entry's start; negative while what its delta rests on isn't all written; none: not written
  readonly #few: Map<number, number> | null
  readonly #all: Float64Array

  constructor(objectCount: number, size: number) {
    this.#few = objectCount <= fewObjects ? new Map() : null
    this.#all = new Float64Array(this.#few ? 0 : size)
  }

  /** @param isSettled all that the entry's delta rests on is written before it, or the client's */
  set(number: number, start: number, isSettled: boolean): void {
    const value = isSettled ? start : -start
    if (this.#few) this.#few.set(number, value)
    else this.#all[number] = value
  }

  /** 0: not written yet. */
  start(number: number): number {
    return Math.abs(this.#value(number))
  }

  isSettled(number: number): boolean {
    return this.#value(number) > 0
  }

  #value(number: number): number {
    return this.#few ? (this.#few.get(number) ?? 0) : (this.#all[number] as number)
  }
}
