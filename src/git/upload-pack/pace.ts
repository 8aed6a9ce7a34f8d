// When long work lets the other work of its thread go on, and notices that nobody waits for it any more.
import { setImmediate } from 'node:timers/promises'
import { type Clock, systemClock } from '../../base/index.ts'

/** So long one piece of work may hold its thread. */
const turnMs = 10
/** Steps between two looks at the clock. A step takes a microsecond at most. */
const stepsPerLook = 64

/** Steps that reading and looking through one object counts for. */
export const objectSteps = 16

/** Loops that do next to nothing for each of all numbers ask once in so many, with so many steps. */
export const stretch = 1024
export const stretchSteps = 64

/** One for each request; the same for all that it does. */
export class Pace {
  readonly #signal: AbortSignal | undefined
  readonly #clock: Clock
  #steps = stepsPerLook
  #endMs: number

  constructor(signal?: AbortSignal, clock: Clock = systemClock) {
    this.#signal = signal
    this.#clock = clock
    this.#endMs = clock.monotonic() + turnMs
  }

  /** Aborted when nobody waits for the work any more. */
  get signal(): AbortSignal | undefined {
    return this.#signal
  }

  /**
   * Called in every loop whose length a client decides, with the steps taken since the last call. Undefined, at nearly no cost, while the turn
   * lasts; else to be awaited.
   * @throws the signal's reason once it is aborted
   */
  turn(steps = 1): Promise<void> | undefined {
    this.#steps -= steps
    return this.#steps > 0 ? undefined : this.#look()
  }

  #look(): Promise<void> | undefined {
    this.#steps = stepsPerLook
    return this.#clock.monotonic() < this.#endMs ? undefined : this.#rest()
  }

  async #rest(): Promise<void> {
    await setImmediate()
    this.#signal?.throwIfAborted()
    this.#endMs = this.#clock.monotonic() + turnMs
  }
}
