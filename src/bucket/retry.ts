// Bounded, exponential, jittered: how often and how fast a request is made again. Only for requests that may be repeated;
// all of ours may, since a key is fresh and its bytes never change.
import type { Randomness } from '../base/index.ts'
import { throwIfAborted } from './errors.ts'

export interface RetryPolicy {
  /** Attempts in all, the first included. */
  readonly attempts: number
  readonly firstDelayMs: number
  readonly longestDelayMs: number
}

/** Rides out a restart of the S3 server (about six seconds of waiting in all). */
export const defaultRetry: RetryPolicy = { attempts: 7, firstDelayMs: 100, longestDelayMs: 5000 }

/** Runs `body` until it succeeds, `mayRetry` says no, or the attempts are used up; then its last error is thrown. */
export async function retrying<T>(
  policy: RetryPolicy,
  randomness: Randomness,
  signal: AbortSignal | undefined,
  mayRetry: (error: unknown) => boolean,
  body: (attempt: number) => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    throwIfAborted(signal)
    try {
      return await body(attempt)
    } catch (error) {
      throwIfAborted(signal)
      if (attempt >= policy.attempts || !mayRetry(error)) throw error
    }
    const longest = Math.min(policy.longestDelayMs, policy.firstDelayMs * 2 ** (attempt - 1))
    // Half is fixed and half is chance, so that clients that failed together don't come back together.
    const chance = (randomness.bytes(1)[0] ?? 0) / 255
    await pause(longest / 2 + (longest / 2) * chance, signal)
  }
}

/** Resolves after the time, or at once when the signal fires. */
export async function pause(timeMs: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted === true) return
  await new Promise<void>((done) => {
    const end = (): void => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', end)
      done()
    }
    const timer = setTimeout(end, timeMs)
    signal?.addEventListener('abort', end, { once: true })
  })
}
