// The types of the pack indexer: what it is given, what it returns. The work is described in docs/design/index-pack.md.
import type { Randomness } from '../../base/index.ts'
import type { FsckId } from '../format/fsck/index.ts'
import type { Kind, ObjectFormat, ObjectId } from '../format/object-id.ts'

/** Everything that docs/design/pack-key.md's sections need, in position order (ascending ids). */
export interface IndexedPack {
  readonly format: ObjectFormat
  /** Different objects in the pack: positions. */
  readonly objectCount: number
  /** Entries in the pack, appended bases included. More than objectCount when objects stand in it twice: git's strict indexing refuses such a pack. */
  readonly entryCount: number
  /** Bytes of the complete pack in the spool, appended bases and trailer included. */
  readonly packBytes: number
  readonly oids: Uint8Array // n × H
  readonly offsets: Float64Array
  readonly crcs: Uint32Array
  readonly kinds: Uint8Array // docs/design/pack-key.md KIND
  readonly sizes: Float64Array
  readonly bases: Uint32Array
  readonly outsideBases: Uint8Array // packed ids
  readonly sources: Uint8Array // packed ids
  readonly externals: Uint8Array // packed ids
  /** What fsck found that refuses nothing, as git prints it; some of many. */
  readonly warnings: readonly string[]
}

/** What is stored as so many deltas one on the other is no base outside of a pack any more: it is appended, so that chains end. git's own limit. */
export const deepestBase = 50

export interface ExistingObject {
  readonly kind: Kind
  readonly bytes: Uint8Array
  /** How many deltas it is stored as, one on the other; counted up to `deepestBase`. */
  readonly depth: number
}

/**
 * Objects that the receiving repository may build on: what a thin pack's deltas and new objects' references may rest on.
 * Offer only what the repository reaches: a delta against any other object would let its sender read it.
 */
export interface ExistingObjects {
  /** The whole object, or null when there is none of that id to build on, or it is larger than that. */
  read(oid: Uint8Array, limitBytes?: number): Promise<ExistingObject | null>
  /** Of these packed ids, the kind of each in order; 0 where there is no such object to build on. */
  kinds(oids: Uint8Array): Uint8Array | Promise<Uint8Array>
}

/** Where the pack's bytes go as they arrive; a file for large packs, memory for small ones. Synchronous: it is used in a worker. */
export interface Spool {
  append(bytes: Uint8Array): void
  overwrite(offset: number, bytes: Uint8Array): void
  /** Forgets what lies behind that many bytes. */
  truncate(sizeBytes: number): void
  /** Reads into `into`; returns the bytes read (less than asked only at the end). */
  read(offset: number, into: Uint8Array): number
  readonly sizeBytes: number
  /** The file that other threads may read; null for memory, whose packs are indexed by one thread. */
  readonly path: string | null
}

export interface IndexLimits {
  /** Bytes of the received pack. */
  readonly packBytes: number
  /** Bytes of one object, inflated. */
  readonly objectBytes: number
  /** Entries in the pack. */
  readonly objectCount: number
  /** Deltas on the way from an object to a whole one. git makes 50, and at most 4095. */
  readonly deltaDepth: number
  /** Bytes of all objects together may be inflatedBytes + inflationRatio × the pack's bytes. Real histories reach a ratio of about 100. */
  readonly inflatedBytes: number
  readonly inflationRatio: number
  /** Memory for windows, arenas and caches, in bytes, for one job over all its threads. */
  readonly memoryBytes: number
}

export interface IndexProgress {
  /** Called at most every 100 ms: `Receiving objects` counts are the client's own; these are ours. */
  (phase: 'receiving' | 'resolving' | 'checking', done: number, total: number): void
}

/** How strictly objects are judged, as plain data (it is posted to helper threads); see FsckOptions. */
export interface FsckSettings {
  readonly strict?: boolean
  readonly severities?: Readonly<Partial<Record<FsckId, 'error' | 'warning' | 'ignore'>>>
  readonly skip?: readonly ObjectId[]
}

export interface IndexOptions {
  readonly format: ObjectFormat
  readonly spool: Spool
  /** A folder for temporary files of objects too large for memory; nothing stays there. */
  readonly scratchFolder: string
  readonly existing: ExistingObjects
  readonly limits: IndexLimits
  readonly randomness: Randomness
  readonly progress?: IndexProgress
  /** Threads that resolve deltas, this one included. Default: the machine's cores. */
  readonly threads?: number
  /** Packs below this many bytes are resolved by one thread. Default 4 MiB. */
  readonly sharedBytes?: number
  /** Default: pushFsck. null: objects are only read for what they refer to. */
  readonly fsck?: FsckSettings | null
  /** Commits whose parents may be absent (a push from a shallow clone). */
  readonly shallow?: readonly ObjectId[]
  /** The stream may not end with the pack: whoever sends it waits for an answer. */
  readonly staysOpen?: boolean
}
