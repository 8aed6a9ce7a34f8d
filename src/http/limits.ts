// What the listener allows. Sizes in bytes, times in milliseconds; 0 switches none of them off.

export interface HttpLimits {
  /** Request line and headers together. Node answers 431 beyond it. */
  readonly headerBytes: number
  /** From the first byte of a request to the end of its headers. */
  readonly headerTimeoutMs: number
  /** A JSON body: its size, and the time for all of it to arrive. */
  readonly jsonBodyBytes: number
  readonly jsonBodyTimeoutMs: number
  /**
   * The least pace of clients. A streamed body: while the server waits for it, so much must arrive in every `slowGraceMs` as comes at
   * `slowestBytesPerSecond`. An answer: what was written must have been taken within `slowGraceMs` and the time that it takes at that pace.
   */
  readonly slowestBytesPerSecond: number
  readonly slowGraceMs: number
  /** A client that takes nothing of an answer for this long is cut off. A server that takes long to answer is not. */
  readonly stallTimeoutMs: number
  /** How long an idle connection is kept for the next request; longer than a proxy in front keeps it. */
  readonly keepAliveMs: number
  /** How long the rest of a request's body is thrown away after its answer, so that the client can read the answer. */
  readonly lingerMs: number
  /** How long `close()` waits for running requests before it cuts them off. */
  readonly drainMs: number
  /** Connections at one time; more are refused by closing them. */
  readonly connections: number
}

export const defaultHttpLimits: HttpLimits = {
  headerBytes: 32 * 1024,
  headerTimeoutMs: 15_000,
  jsonBodyBytes: 1024 * 1024,
  jsonBodyTimeoutMs: 30_000,
  slowestBytesPerSecond: 2048,
  slowGraceMs: 30_000,
  stallTimeoutMs: 120_000,
  keepAliveMs: 75_000,
  lingerMs: 5_000,
  drainMs: 30_000,
  connections: 10_000,
}
