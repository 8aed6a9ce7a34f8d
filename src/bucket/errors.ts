// The codes of this room's errors, and what the buckets share in making them.
import { CorruptError, UnavailableError } from '../base/index.ts'
import type { ByteRange, Key } from './bucket.ts'

/**
 * CorruptError: `missing-key`, `short` (the stored value ends before the range does, or a file isn't as long as was said),
 * `bad-key`, `bad-range`. UnavailableError: `bucket-missing`, `bucket-denied`, `bucket-full` (these three need the operator),
 * `bucket-unavailable` (may be tried again), `bucket-refused` (an answer that trying again won't change), `aborted` (by the caller's signal).
 */
export type BucketErrorCode =
  | 'missing-key'
  | 'short'
  | 'bad-key'
  | 'bad-range'
  | 'bucket-missing'
  | 'bucket-denied'
  | 'bucket-full'
  | 'bucket-unavailable'
  | 'bucket-refused'
  | 'aborted'

export function missingKey(key: Key, options?: ErrorOptions): CorruptError {
  return new CorruptError('missing-key' satisfies BucketErrorCode, `the bucket has no ${key}`, options)
}

export function shortValue(key: Key, range: ByteRange, haveBytes: number | null): CorruptError {
  const have = haveBytes === null ? 'the value ends before' : `the value has ${haveBytes} bytes, not`
  return new CorruptError('short' satisfies BucketErrorCode, `${key}: ${have} ${range.offset + range.sizeBytes}`)
}

export function unavailable(code: BucketErrorCode, message: string, cause?: unknown): UnavailableError {
  return new UnavailableError(code, message, cause === undefined ? undefined : { cause })
}

/** UnavailableError('aborted') when the signal has fired. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw unavailable('aborted', 'the caller gave up', signal.reason)
}

/** Ranges come from our own rows and indexes: a senseless one means that those are wrong. */
export function assertRange(key: Key, range: ByteRange): void {
  const { offset, sizeBytes } = range
  if (!Number.isSafeInteger(offset) || !Number.isSafeInteger(sizeBytes) || offset < 0 || sizeBytes < 0) {
    throw new CorruptError('bad-range' satisfies BucketErrorCode, `${key}: no such range: ${sizeBytes} bytes from ${offset}`)
  }
}
