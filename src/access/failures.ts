// Credentials that were no good, counted: so that nobody tries many, and nobody keeps others out by it.
// - What looks like a token of ours holds 160 random bits, which nobody guesses. It is always looked up: a good one is never refused for what others at
//   that address send, a bad one beyond the limit is told so instead of 401.
// - Anything else could be guessed (a configured token, a password): beyond the limit it isn't even looked at, unless this address was let in with it, or
//   to that account, before.
// - Passwords count for their account too, wherever they come from, under the name that was sent, whether or not there is such an account. Where
//   somebody signed in to it before, that address counts by itself: strangers elsewhere don't lock its user out.
// A node counts for itself and in memory. What is remembered is bounded.
import { hash } from 'node:crypto'
import { type Clock, InputError } from '../base/index.ts'
import { addressKey, TokenBuckets, tooMany } from '../http/index.ts'

/** Failures a minute; 0: as many as they like. */
export interface FailureSettings {
  /** From one address. */
  readonly failures: number
  /** For one account. */
  readonly accountFailures: number
}

const mostKnown = 20_000

export class Failures {
  readonly #byAddress: TokenBuckets | null
  readonly #byAccount: TokenBuckets | null
  /** Who was let in from where, the latest last. */
  readonly #known = new Set<string>()

  constructor({ failures, accountFailures }: FailureSettings, clock: Clock) {
    const buckets = (perMinute: number) => (perMinute > 0 ? new TokenBuckets(perMinute, () => clock.monotonic()) : null)
    this.#byAddress = buckets(failures)
    this.#byAccount = buckets(accountFailures)
  }

  /** Before a token is looked up. Refusal 429. */
  assertMayTryToken(ip: string, secret: string): void {
    if (this.#byAddress === null || isOurs(secret)) return
    const address = addressKey(ip)
    const { isAllowed, waitMs } = this.#byAddress.peek(address)
    if (!isAllowed && !this.#known.has(knownToken(address, secret))) throw tooManyFailures(waitMs)
  }

  /** A token, or a header without one, was no good. Refusal 429 when that is one too many. */
  tokenFailed(ip: string): void {
    const state = this.#byAddress?.take(addressKey(ip))
    if (state?.isAllowed === false) throw tooManyFailures(state.waitMs)
  }

  tokenSucceeded(ip: string, secret: string): void {
    if (this.#byAddress !== null && !isOurs(secret)) this.#remember(knownToken(addressKey(ip), secret))
  }

  /**
   * Looks at a password: `check` throws InputError `bad-password` when it is no good. Refusal 429, as `assertMayTryPassword`. Until it is known how it ends it counts
   * as a failure: many that are tried at one time are no more than one after the other.
   */
  async tryPassword<T>(ip: string, login: string, check: () => Promise<T>): Promise<T> {
    this.assertMayTryPassword(ip, login)
    const { address, account } = this.#passwordKeys(ip, login)
    this.passwordFailed(ip, login)
    let isWrong = false
    try {
      const result = await check()
      this.passwordSucceeded(ip, login)
      return result
    } catch (error) {
      isWrong = error instanceof InputError && error.code === 'bad-password'
      throw error
    } finally {
      if (!isWrong)
        for (const [buckets, key] of [
          [this.#byAccount, account],
          [this.#byAddress, address],
        ] as const)
          buckets?.giveBack(key)
    }
  }

  /** Before a password is looked at. Refusal 429, the same whether or not there is such an account. */
  assertMayTryPassword(ip: string, login: string): void {
    const { address, account, isKnown } = this.#passwordKeys(ip, login)
    const states = [this.#byAccount?.peek(account), isKnown ? undefined : this.#byAddress?.peek(address)]
    const waitMs = Math.max(0, ...states.map((state) => (state?.isAllowed === false ? state.waitMs : 0)))
    if (waitMs > 0) throw tooManyFailures(waitMs)
  }

  passwordFailed(ip: string, login: string): void {
    const { address, account } = this.#passwordKeys(ip, login)
    this.#byAccount?.take(account)
    this.#byAddress?.take(address)
  }

  passwordSucceeded(ip: string, login: string): void {
    this.#remember(knownLogin(addressKey(ip), login))
  }

  #passwordKeys(ip: string, login: string): { readonly address: string; readonly account: string; readonly isKnown: boolean } {
    const address = addressKey(ip)
    const own = knownLogin(address, login)
    const isKnown = this.#known.has(own)
    return { address, account: isKnown ? own : nameKey(login), isKnown }
  }

  #remember(key: string): void {
    this.#known.delete(key)
    this.#known.add(key)
    if (this.#known.size <= mostKnown) return
    for (const oldest of this.#known) {
      this.#known.delete(oldest)
      return
    }
  }
}

function isOurs(secret: string): boolean {
  return /^stm_[0-9a-f]{40}$|^stmr_/.test(secret) // a pass has been opened by then
}

/** Digests: keys are short, whatever was sent, and hold no secret. */
function knownToken(address: string, secret: string): string {
  return `${address} ${hash('sha256', secret, 'base64')}`
}

function knownLogin(address: string, login: string): string {
  return `${address} ${nameKey(login)}`
}

function nameKey(login: string): string {
  return hash('sha256', login.toLowerCase(), 'base64')
}

function tooManyFailures(waitMs: number) {
  return tooMany('Too many credentials that are no good were sent from here', waitMs)
}
