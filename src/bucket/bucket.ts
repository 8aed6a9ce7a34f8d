// Keys → bytes. A key is written once, under a name that was never used before, and never changed; then it may be deleted.
// No correctness rests on conditional writes, on listing, or on read-after-overwrite: real S3 servers differ in all three.
// Every method ends in a result, CorruptError or UnavailableError (errors.ts has the codes), also when its signal fires ('aborted').

/** `pack/3f/0198…` — printable ASCII without `..`; built only in paths.ts. */
export type Key = string & { readonly __brand: 'Key' }

/** A value that is open for reading; whoever opened it closes it. */
export interface OpenValue {
  /** Fills all targets, one behind the other, with the bytes from `offset` on. CorruptError 'short'; UnavailableError. */
  read(targets: readonly Uint8Array[], offset: number): Promise<void>
  close(): Promise<void>
}

/** A part of a value: `sizeBytes` bytes from `offset` on. */
export interface ByteRange {
  readonly offset: number
  readonly sizeBytes: number
}

export interface Bucket {
  readonly kind: 'filesystem' | 's3' | 'memory'

  /** Folder for files that will be handed to `uploadFile`; the same file system as the bucket's where that saves a copy. */
  readonly spoolFolder: string

  /** What fits here is sent with one PUT by `uploadFile`; its first so many bytes are sent last. */
  readonly partSizeBytes: number

  /** Counts since this instance was made; live. */
  readonly requests: Readonly<BucketRequests>

  /**
   * Stores a small value. Durable and visible when it resolves; on an error the key may or may not exist (sweep it by its intent row).
   * Retried inside while that can help; the bytes are the caller's and are not changed.
   */
  put(key: Key, bytes: Uint8Array, signal?: AbortSignal): Promise<void>

  /**
   * Stores a file that may still be growing. The file belongs to the upload until `complete` or `abort` ends, which remove it.
   * Bytes below `partSizeBytes` may change until `complete` (the header of a pack is known last); others may not once announced.
   */
  uploadFile(key: Key, path: string): FileUpload

  /** The bytes of that range, exactly: a value that is too short is CorruptError('short'), a missing key CorruptError('missing-key'). */
  get(key: Key, range: ByteRange, signal?: AbortSignal): Promise<Uint8Array>

  /** As `get` but at once, by blocking the thread: only where bytes are near (a local file), and only for worker threads to call. */
  readNow?(key: Key, range: ByteRange): Uint8Array

  /** Where the bytes are near: the value for reads into the caller's own memory. CorruptError 'missing-key'; UnavailableError. */
  openValue?(key: Key): Promise<OpenValue>

  /**
   * Where clients reach the bucket: a URL that gives the value, or a range of it, to whoever has the URL, until it ends. It asks the bucket for nothing: a key that
   * isn't there gives a URL that leads to none. UnavailableError 'bucket-denied' where there are no credentials to sign with.
   */
  link?(key: Key, life: { readonly at: Date; readonly lifetimeMs: number }): Promise<string>

  /** As `get`, in order, in chunks of the bucket's choosing (at most 4 MiB; good until the next one is asked for), with back-pressure. */
  stream(key: Key, range: ByteRange, signal?: AbortSignal): AsyncIterable<Uint8Array>

  /** Size, or null when there is no such key. */
  head(key: Key, signal?: AbortSignal): Promise<{ readonly sizeBytes: number } | null>

  /** Removes the key and any unfinished upload to it; no error when there is none. */
  delete(key: Key, signal?: AbortSignal): Promise<void>

  /** Every key below the prefix, in no promised order; may miss or repeat what changes meanwhile. For fsck only. */
  list(prefix: string, signal?: AbortSignal): AsyncIterable<{ readonly key: Key; readonly sizeBytes: number }>

  /** One cheap round trip that throws UnavailableError when the bucket can't serve. */
  probe(signal?: AbortSignal): Promise<void>

  /** Ends idle connections. */
  close(): Promise<void>
}

export interface FileUpload {
  /** All bytes of the file below `sizeBytes` (but for the first part) are final: they may be sent ahead. Returns at once. */
  advance(sizeBytes: number): void
  /**
   * The file is whole and `sizeBytes` long: durable and visible when it resolves. One PUT where it fits one part.
   * Ends the upload either way: on an error too the file and the parts are removed; the key may or may not exist.
   */
  complete(sizeBytes: number, signal?: AbortSignal): Promise<void>
  /** Gives the upload up: stops its requests, removes parts and file; never throws. */
  abort(): Promise<void>
}

/** Requests made so far, for `GET /metrics`, tests and the storage figures. */
export interface BucketRequests {
  puts: number
  gets: number
  heads: number
  deletes: number
  lists: number
  /** Bytes of values sent to the bucket and read from it, retries included. */
  bytesIn: number
  bytesOut: number
  /** Requests that were made again after a failure, and calls that failed in the end. */
  retries: number
  failures: number
}
