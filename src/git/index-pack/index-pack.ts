// (interface first; the implementation follows) Reads a pack as it arrives, checks everything about it, and makes its index.
import type { ObjectFormat, ObjectId, Kind } from '../format/object-id.ts'

/** Everything that docs/design/pack-key.md's sections need, in position order (ascending ids). */
export interface IndexedPack {
  readonly format: ObjectFormat
  readonly objectCount: number
  /** Bytes of the complete pack in the spool, appended bases and trailer included. */
  readonly packBytes: number
  readonly oids: Uint8Array // n × H
  readonly offsets: Float64Array
  readonly crcs: Uint32Array
  readonly kinds: Uint8Array // docs/design/pack-key.md KIND
  readonly sizes: Float64Array
  readonly bases: Uint32Array
  readonly sources: Uint8Array // packed ids
  readonly externals: Uint8Array // packed ids
}

/** Objects that the network already holds: what a thin pack's deltas and new objects' references may rest on. */
export interface ExistingObjects {
  /** The whole object, or null when the network has none of that id. */
  read(oid: Uint8Array): Promise<{ readonly kind: Kind; readonly bytes: Uint8Array } | null>
  /** Of these packed ids, the kind of each in order; 0 where the network has no such object. */
  kinds(oids: Uint8Array): Uint8Array
}

/** Where the pack's bytes go as they arrive; a file for large packs, memory for small ones. Synchronous: it is used in a worker. */
export interface Spool {
  append(bytes: Uint8Array): void
  overwrite(offset: number, bytes: Uint8Array): void
  /** Reads into `into`; returns the bytes read (less than asked only at the end). */
  read(offset: number, into: Uint8Array): number
  readonly sizeBytes: number
}

export interface IndexLimits {
  readonly packBytes: number
  readonly objectBytes: number
  readonly objectCount: number
  readonly deltaDepth: number
  readonly treeDepth: number
  /** Memory for windows, arenas and caches, in bytes, for one job over all its threads. */
  readonly memoryBytes: number
}

export interface IndexProgress {
  /** Called at most every 100 ms: `Receiving objects` counts are the client's own; these are ours. */
  (phase: 'receiving' | 'resolving' | 'checking', done: number, total: number): void
}

export type MissingObject = { readonly oid: ObjectId; readonly kind: Kind | 0 }
