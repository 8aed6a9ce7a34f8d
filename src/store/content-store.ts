// What other rooms see of the content store: bytes by their SHA-256, kept while a reference or a lease holds them.
// The store knows no callers: knowing a digest is no permission. Rooms ask their own rows first, and answer missing and forbidden alike.
// docs/design/content-store.md.
import type { Writable } from 'node:stream'
import type { Moment, Tx } from '../db/index.ts'
import type { Digest } from './digest.ts'

/** Who keeps content alive: a room's word for its kind of thing (`lfs`), and which one (a row's id, a name; 1 to 256 characters). */
export interface ContentReference {
  readonly kind: string
  readonly id: string
}

export interface PutOptions {
  /** What the bytes must be. Otherwise InputError 'digest-mismatch' or 'size-mismatch', and nothing is stored. */
  readonly expected?: { readonly digest?: Digest; readonly sizeBytes?: number }
  /** More than this is InputError 'too-large'; read no further then. */
  readonly limitBytes: number
  /** Held from the same transaction on that makes the content visible. Without it, a lease holds the content for a day. */
  readonly reference?: ContentReference
  /** Ends the put: UnavailableError 'aborted'. */
  readonly signal?: AbortSignal
}

export interface PutResult {
  readonly digest: Digest
  readonly sizeBytes: number
  /** False when the same content was there before. Not to be told to clients that may not read it. */
  readonly isNew: boolean
  /** Bytes that this put added to what is stored, compressed: 0 where every chunk was there. */
  readonly addedBytes: number
}

export interface ContentInfo {
  readonly digest: Digest
  readonly sizeBytes: number
}

/** Bytes from `offset` on, `sizeBytes` of them; the whole range must lie within the content. */
export interface ContentRange {
  readonly offset: number
  readonly sizeBytes: number
}

export interface OpenContent extends ContentInfo {
  /** What `bytes` gives: the range that was asked for, or all. */
  readonly range: ContentRange
  /**
   * The bytes in order, in pieces of at most about 1 MiB, with back-pressure: memory is bounded however slowly they are taken. May be iterated once; leaving the loop
   * ends the work. Every chunk is checked against its hash before its bytes are given, and whole content against its digest before its last piece: what is wrong is
   * CorruptError, never wrong bytes. UnavailableError where the bucket doesn't answer.
   */
  readonly bytes: AsyncIterable<Uint8Array>
  /**
   * The same into a stream, in place of `bytes`, and for less: an answer to a client. Doesn't end the stream. `begin` comes before the first byte is written, when it has
   * been read and checked. Throws as `bytes` does; UnavailableError 'aborted' where the stream was closed before it had all.
   */
  sendTo(target: Writable, begin?: () => void): Promise<void>
}

/** How long a link is good: not longer than a day, for so long bytes stay that nobody needs any more. */
export interface LinkLife {
  readonly at: Date
  readonly lifetimeMs: number
}

export interface ContentStore {
  /**
   * Stores a stream. When it resolves, the content is durable and can be read on every node; it is kept for a day (a lease), and as long as
   * references hold it. Putting what is there already is no error, stores nothing, and begins the lease anew. May be tried again after any error.
   * InputError: 'digest-mismatch', 'size-mismatch', 'too-large'; what the source throws, as it is; UnavailableError. Nothing is stored then,
   * but for 'commit-unknown' of the database, where it may be.
   */
  put(source: AsyncIterable<Uint8Array>, options: PutOptions): Promise<PutResult>

  /** Null when there is no such content, or its bytes are known to be lost: who puts it again mends it. */
  stat(digest: Digest): Promise<ContentInfo | null>

  /** The same for many, in one query; those that are missing or lost are left out. */
  statMany(digests: readonly Digest[]): Promise<ReadonlyMap<Digest, ContentInfo>>

  has(digest: Digest): Promise<boolean>

  /** Null when there is no such content. RangeError for a range outside of it: the caller has `stat`, and answers its client itself. */
  get(digest: Digest, range?: ContentRange, signal?: AbortSignal, moment?: Moment): Promise<OpenContent | null>

  /**
   * A URL of the bucket's that gives the content's bytes, or a range of them, to whoever has it, until it ends: unchecked, as the bucket has them. Null where clients don't
   * reach the bucket, or the content doesn't lie there by itself: then `get` reads it. UnavailableError.
   */
  link(digest: Digest, life: LinkLife, moment?: Moment): Promise<string | null>

  /**
   * Keeps content alive from the caller's transaction on: to be called in the one that writes the row which needs it. Holding twice is once.
   * False when there is no such content (it was never put, or collected since): then the caller's row may not be written.
   */
  hold(tx: Tx, digest: Digest, reference: ContentReference): Promise<boolean>

  /** Ends the hold of one content, or of all that the reference holds, in the caller's transaction. What nothing holds is collected, a day later at the earliest. */
  release(tx: Tx, reference: ContentReference, digest?: Digest): Promise<void>
}
