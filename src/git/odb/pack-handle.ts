// A set of packs as plain data over shared memory: the main thread loads indexes once, every worker reads the same bytes.
import { type BlockReader, parseKey } from '../../bucket/index.ts'
import type { HistoryEnd } from '../format/history-table.ts'
import { indexStart, PackIndex } from '../format/stored-pack.ts'
import type { ObjectFormat } from '../format/object-id.ts'
import { type PackBytes, PackSet } from './pack-set.ts'

/** One stored pack, ready to be handed to a worker. */
export interface PackHandle {
  readonly id: number
  /** Where the value is in the bucket; null: it is small and `bytes` holds all of it. */
  readonly key: string | null
  readonly valueBytes: number
  readonly packBytes: number
  /** The value from its index on (key) or whole (tail). */
  readonly bytes: SharedArrayBuffer
}

/** All packs of a network at one moment. `lineage` is the same for sets that only had packs added at their end. */
export interface PackSetHandle {
  readonly networkId: string
  readonly format: ObjectFormat
  readonly lineage: number
  /** Of the network, when its packs were asked for (NetworkPacks). */
  readonly generation?: number
  readonly packs: readonly PackHandle[]
  /** The network's history table, where one was made for the first of these packs. */
  readonly history?: HistoryHandle | null
  /** The parts of the network's path table, for work that asks it (PathTables); others come without. */
  readonly paths?: readonly PathPartHandle[]
}

/** A stored part of a path table. */
export interface PathPartHandle {
  readonly key: string
  readonly bytes: SharedArrayBuffer
}

/** One table, whatever it was joined of. */
export interface HistoryHandle {
  /** Equal for equal tables. */
  readonly key: string
  readonly bytes: SharedArrayBuffer
  /** The stored tables in their order, and what they hold up to there. */
  readonly parts: readonly { readonly key: string; readonly end: HistoryEnd }[]
}

/** The set with those packs; `previous` is extended where it is of the same lineage, so what was set up for it is used again. */
export function openPackSet(handle: PackSetHandle, reader: BlockReader, previous?: PackSet): PackSet {
  const known = previous ? previous.packs.length : 0
  if (previous && handle.packs.length === known) return previous
  return (previous ?? PackSet.empty(handle.format)).with(
    handle.packs.slice(known).map((pack) => {
      const from = pack.key === null ? 0 : indexStart(pack.packBytes)
      const view = new Uint8Array(pack.bytes)
      return { id: pack.id, index: new PackIndex(view, from), bytes: pack.key === null ? tailBytes(view) : keyBytes(pack, reader) }
    }),
  )
}

/** Bytes that are all here. */
export function tailBytes(value: Uint8Array): PackBytes {
  return {
    read: (offset, sizeBytes) => value.subarray(offset, offset + sizeBytes),
    async *stream(offset, sizeBytes) {
      yield value.subarray(offset, offset + sizeBytes)
    },
  }
}

function keyBytes(pack: PackHandle, reader: BlockReader): PackBytes {
  const key = parseKey(pack.key as string)
  return {
    open: reader.openValue && (() => (reader.openValue as NonNullable<BlockReader['openValue']>)(key)),
    read: (offset, sizeBytes) => reader.read(key, pack.valueBytes, offset, sizeBytes),
    stream: (offset, sizeBytes) => reader.stream(key, offset, sizeBytes),
  }
}
