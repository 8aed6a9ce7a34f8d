// Time and randomness are handed in, so that tests can hold them. Only the composition root makes the real ones.
import { randomBytes, randomUUID } from 'node:crypto'

/** Milliseconds since 1970, and a monotonic count for durations. */
export interface Clock {
  now(): number
  monotonic(): number
}

/** Unpredictable bytes and ids. */
export interface Randomness {
  bytes(sizeBytes: number): Uint8Array
  uuid(): string
}

export const systemClock: Clock = { now: () => Date.now(), monotonic: () => performance.now() }
export const systemRandomness: Randomness = {
  bytes: (sizeBytes) => new Uint8Array(randomBytes(sizeBytes)),
  uuid: () => randomUUID(),
}
