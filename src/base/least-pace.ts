// How slow a client may be while the server waits for it.

export interface PaceLimits {
  readonly slowestBytesPerSecond: number
  readonly slowGraceMs: number
}

/** Of one sender: while he is waited for, so much must arrive in every `slowGraceMs` as comes at `slowestBytesPerSecond`. A slow taker is not his fault. */
export class LeastPace {
  readonly #limits: PaceLimits
  #waitedMs = 0
  #arrivedBytes = 0

  constructor(limits: PaceLimits) {
    this.#limits = limits
  }

  /** He may be waited for so much longer. */
  get leftMs(): number {
    return Math.max(0, this.#limits.slowGraceMs - this.#waitedMs)
  }

  arrived(sizeBytes: number): void {
    this.#arrivedBytes += sizeBytes
    if (this.#arrivedBytes < (this.#limits.slowestBytesPerSecond * this.#limits.slowGraceMs) / 1000) return
    this.#arrivedBytes = 0
    this.#waitedMs = 0
  }

  waited(ms: number): void {
    this.#waitedMs += ms
  }
}
