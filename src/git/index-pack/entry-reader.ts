// Reads entries back from the spool, in the order in which deltas want them, through a cache of blocks in the workspace.
// A block holds the pack's bytes from a multiple of BLOCK on, and some of the next block, so that nearly every entry lies in one piece.
// Invariant: what load() returns stays until the next load().
import { CorruptError } from '../../base/index.ts'
import { SLACK_BYTES } from '../../../kernels/index.ts'
import type { EntryTable } from './entry-table.ts'
import { CACHE_BYTES, ENTRY_BUFFER_BYTES, type Workspace } from './workspace.ts'

const BLOCK = 128 * 1024
const OVERLAP = 32 * 1024
const SLOT = BLOCK + OVERLAP

/** Reads the pack; a Spool, or a file that this thread opened for itself. */
export interface PackSource {
  read(offset: number, into: Uint8Array): number
}

export class EntryReader {
  readonly #workspace: Workspace
  readonly #table: EntryTable
  readonly #source: PackSource
  /** Which block each slot holds; −1 none. A block has one slot it may be in. */
  readonly #slots: Int32Array
  /** Where the data ends that load() found. */
  end = 0

  constructor(workspace: Workspace, table: EntryTable, source: PackSource, cacheBytes: number) {
    this.#workspace = workspace
    this.#table = table
    this.#source = source
    const slots = Math.max(4, Math.min(Math.floor(Math.min(cacheBytes, CACHE_BYTES) / SLOT), Math.ceil(table.packEnd / BLOCK)))
    this.#slots = new Int32Array(slots).fill(-1)
  }

  /** Where the entry's zlib stream lies in the workspace, up to this.end; −1 when it is too long to be held. */
  load(entry: number): number {
    const { offsets, headers } = this.#table.columns
    const from = offsets[entry]! + headers[entry]!
    const size = this.#table.endOf(entry) - from
    const block = Math.floor(from / BLOCK)
    const inBlock = from - block * BLOCK
    if (inBlock + size <= SLOT) {
      const slot = block % this.#slots.length
      const at = this.#workspace.window + slot * SLOT
      if (this.#slots[slot] !== block) {
        this.#read(block * BLOCK, at, Math.min(SLOT, this.#table.packEnd - block * BLOCK))
        this.#slots[slot] = block
      }
      this.end = at + inBlock + size
      return at + inBlock
    }
    if (size > ENTRY_BUFFER_BYTES - SLACK_BYTES) return -1
    const at = this.#workspace.entryBuffer
    this.#read(from, at, size)
    this.end = at + size
    return at
  }

  /** Part of the entry's zlib stream into the entry buffer; returns how many bytes. For streams too long to be held. */
  readPart(entry: number, skip: number, at: number, size: number): number {
    const { offsets, headers } = this.#table.columns
    const from = offsets[entry]! + headers[entry]! + skip
    const count = Math.min(size, this.#table.endOf(entry) - from)
    this.#read(from, at, count)
    return count
  }

  #read(offset: number, at: number, size: number): void {
    const count = this.#source.read(offset, this.#workspace.bytes.subarray(at, at + size))
    if (count < size) throw new CorruptError('spool-truncated', 'the spool is shorter than what was written to it')
  }
}
