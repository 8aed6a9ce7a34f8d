// Token buckets, one for each key: what a key may spend comes back evenly over a minute, and a minute's worth may be spent at once. The number of
// buckets is bounded: the one that was used least lately is forgotten first, and whoever is forgotten begins with a full one, so that many
// keys take memory from nobody and allowance from nobody.

export interface BucketState {
  /** False: nothing was taken, there wasn't any. */
  readonly isAllowed: boolean
  readonly limit: number
  /** Whole tokens that are left. */
  readonly remaining: number
  /** Until the bucket is full again. */
  readonly fullInMs: number
  /** Until there is a token; 0: there is one. */
  readonly waitMs: number
}

interface Bucket {
  tokens: number
  atMs: number
}

const mostBuckets = 20_000

export class TokenBuckets {
  readonly perMinute: number
  readonly #monotonic: () => number
  readonly #most: number
  readonly #buckets = new Map<string, Bucket>()

  /** @param perMinute at least 1 */
  constructor(perMinute: number, monotonic: () => number, most = mostBuckets) {
    this.perMinute = perMinute
    this.#monotonic = monotonic
    this.#most = most
  }

  get size(): number {
    return this.#buckets.size
  }

  /** Takes a token if there is one. */
  take(key: string): BucketState {
    const bucket = this.#filled(key) ?? { tokens: this.perMinute, atMs: this.#monotonic() }
    const isAllowed = bucket.tokens >= 1
    if (isAllowed) bucket.tokens--
    this.#buckets.delete(key) // the last one of the map is the one that was used last
    this.#buckets.set(key, bucket)
    if (this.#buckets.size > this.#most) this.#forgetOldest()
    return this.#stateOf(bucket, isAllowed)
  }

  /** A token that was taken comes back: it was for nothing. */
  giveBack(key: string): void {
    const bucket = this.#filled(key)
    if (bucket !== undefined) bucket.tokens = Math.min(this.perMinute, bucket.tokens + 1)
  }

  /** What there is, nothing taken: `isAllowed` says whether a token could be. */
  peek(key: string): BucketState {
    const bucket = this.#filled(key) ?? { tokens: this.perMinute, atMs: 0 }
    return this.#stateOf(bucket, bucket.tokens >= 1)
  }

  #filled(key: string): Bucket | undefined {
    const bucket = this.#buckets.get(key)
    if (bucket === undefined) return undefined
    const nowMs = this.#monotonic()
    bucket.tokens = Math.min(this.perMinute, bucket.tokens + ((nowMs - bucket.atMs) * this.perMinute) / 60_000)
    bucket.atMs = nowMs
    return bucket
  }

  #forgetOldest(): void {
    for (const key of this.#buckets.keys()) {
      this.#buckets.delete(key)
      return
    }
  }

  #stateOf({ tokens }: Bucket, isAllowed: boolean): BucketState {
    const limit = this.perMinute
    const msOf = (missing: number) => (Math.max(0, missing) * 60_000) / limit
    return { isAllowed, limit, remaining: Math.floor(tokens), fullInMs: msOf(limit - tokens), waitMs: msOf(1 - tokens) }
  }
}
