// How many requests a caller may make: token buckets for each class of requests and each caller, that is each account or repository that a
// credential belongs to, and each address of those who show none. A node counts for itself (docs/design/limits.md).
import type { Clock } from '../base/index.ts'
import { addressKey } from './address.ts'
import { Refusal } from './problem.ts'
import { type BucketState, TokenBuckets } from './token-buckets.ts'

/** Requests a minute of one caller; 0: as many as he likes. */
export interface RateSettings {
  readonly apiReads: number
  readonly apiWrites: number
  /** Of one address without credentials. */
  readonly anonymousApi: number
  /** Of Git and LFS clients, which make many small ones. */
  readonly git: number
  readonly anonymousGit: number
}

/** What a room's requests count as. */
export type RateKind = 'api' | 'git'

type RateClass = keyof RateSettings

/** GitHub's name for what a client has the most of, and ours for the others. */
const resourceNames: Readonly<Record<RateClass, string>> = {
  apiReads: 'core',
  anonymousApi: 'core',
  apiWrites: 'writes',
  git: 'git',
  anonymousGit: 'git',
}

export interface RateFigures {
  readonly limit: number
  readonly used: number
  readonly remaining: number
  /** Seconds since 1970: when all of it is there again. */
  readonly reset: number
  readonly resource: string
}

export interface Charge {
  readonly isAllowed: boolean
  /** Until the next one is. */
  readonly waitMs: number
  readonly figures: RateFigures
}

export class RateLimits {
  readonly #clock: Clock
  readonly #buckets: ReadonlyMap<RateClass, TokenBuckets>

  constructor(settings: RateSettings, clock: Clock) {
    this.#clock = clock
    const limited = (Object.keys(resourceNames) as RateClass[]).filter((name) => settings[name] > 0)
    this.#buckets = new Map(limited.map((name) => [name, new TokenBuckets(settings[name], () => clock.monotonic())]))
  }

  /**
   * Counts one request; null: such requests are not limited.
   * @param caller the gate's name of him; null: nobody in particular, so that his address counts
   */
  charge(kind: RateKind, method: string, caller: string | null, ip: string): Charge | null {
    const name = classOf(kind, method, caller)
    const state = this.#buckets.get(name)?.take(caller ?? addressKey(ip))
    return state === undefined ? null : { isAllowed: state.isAllowed, waitMs: state.waitMs, figures: this.#figuresOf(name, state) }
  }

  /** What is left to the caller of each class that is limited, by its name in answers. */
  figures(caller: string | null, ip: string): Map<string, RateFigures> {
    const names: RateClass[] = caller === null ? ['anonymousApi', 'anonymousGit'] : ['apiReads', 'apiWrites', 'git']
    return new Map(
      names.flatMap((name) => {
        const state = this.#buckets.get(name)?.peek(caller ?? addressKey(ip))
        return state === undefined ? [] : [[resourceNames[name], this.#figuresOf(name, state)]]
      }),
    )
  }

  #figuresOf(name: RateClass, { limit, remaining, fullInMs }: BucketState): RateFigures {
    const reset = Math.ceil((this.#clock.now() + fullInMs) / 1000)
    return { limit, used: limit - remaining, remaining, reset, resource: resourceNames[name] }
  }
}

function classOf(kind: RateKind, method: string, caller: string | null): RateClass {
  if (kind === 'git') return caller === null ? 'anonymousGit' : 'git'
  if (caller === null) return 'anonymousApi'
  return method === 'GET' || method === 'HEAD' ? 'apiReads' : 'apiWrites'
}

/** GitHub's headers. */
export function rateHeaders({ limit, used, remaining, reset, resource }: RateFigures): Record<string, string> {
  return {
    'x-ratelimit-limit': String(limit),
    'x-ratelimit-remaining': String(remaining),
    'x-ratelimit-reset': String(reset),
    'x-ratelimit-used': String(used),
    'x-ratelimit-resource': resource,
  }
}

/** 429. @param what went over the limit, as the subject of a sentence */
export function tooMany(what: string, waitMs: number): Refusal {
  const seconds = Math.max(1, Math.ceil(waitMs / 1000))
  const headers = { 'retry-after': String(seconds) }
  return new Refusal(429, 'rate-limited', `${what}; try again in ${seconds} ${seconds === 1 ? 'second' : 'seconds'}`, { headers })
}
