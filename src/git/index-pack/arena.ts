// Whole objects in one thread's memory, waiting to be hashed eight at a time, and the bases of the deltas that are being resolved.
// A bump allocator: when the soft limit is reached, all that waits is hashed, and what is still needed is moved to the front.
// Each object has room in front for git's header and behind for SHA-1's padding.
import { createHash } from 'node:crypto'
import { type Kind, kindName } from '../format/object-id.ts'
import type { EntryTable } from './entry-table.ts'
import { refuse } from './errors.ts'
import { objectIdOf } from './scanner.ts'
import { ARENA_BYTES, type Workspace } from './workspace.ts'

const FRONT = 64
const BACK = 512
/** Measured: 4 to 8 MiB stay in the processor's cache and still fill the lanes. */
const SOFT_BYTES = 8 * 1024 * 1024

/** Something that must stay when the arena is emptied: where it is, and how large. */
export interface Held {
  at: number
  size: number
}

export class Arena {
  readonly #workspace: Workspace
  readonly #table: EntryTable
  readonly #end: number
  /** Of each object that waits: entry, kind, place, size. */
  readonly #queue: Int32Array
  #queued = 0
  #next: number
  #soft: number

  constructor(workspace: Workspace, table: EntryTable) {
    this.#workspace = workspace
    this.#table = table
    this.#next = workspace.arena
    this.#soft = workspace.arena + SOFT_BYTES
    this.#end = workspace.arena + ARENA_BYTES
    this.#queue = new Int32Array(workspace.kernel.sha1QueueSize() * 4)
  }

  /**
   * Room for `size` bytes; −1 when even after moving `held` (in order of their places) to the front there is none.
   * Positions handed out before are void, but for those in `held`, which are updated.
   */
  allocate(size: number, held: readonly Held[]): number {
    const need = size + FRONT + BACK
    if (this.#next + need > this.#soft) {
      this.flush()
      this.#compact(held)
      if (this.#next + need > this.#end) return -1
      this.#soft = Math.min(this.#end, Math.max(this.#next + need, this.#next + SOFT_BYTES))
    }
    const at = this.#next + FRONT
    this.#next = (at + size + BACK + 15) & ~15
    return at
  }

  #compact(held: readonly Held[]): void {
    let next = this.#workspace.arena
    for (const object of held) {
      if (object.at < 0) continue
      const at = next + FRONT
      if (object.at !== at) {
        this.#workspace.bytes.copyWithin(at, object.at, object.at + object.size)
        object.at = at
      }
      next = (at + object.size + BACK + 15) & ~15
    }
    this.#next = next
  }

  /** Hashes the entry's object, sooner or later (SHA-256: now). It must stay in the arena until then. */
  hash(entry: number, kind: Kind, at: number, size: number): void {
    if (this.#table.format === 'sha256') return this.#hashWithNode(entry, kind, at, size)
    const slot = this.#queued++ * 4
    this.#queue[slot] = entry
    this.#queue[slot + 1] = kind
    this.#queue[slot + 2] = at
    this.#queue[slot + 3] = size
    this.#workspace.kernel.enqueue(at, size, kind)
    if (slot + 4 === this.#queue.length) this.flush()
  }

  #hashWithNode(entry: number, kind: Kind, at: number, size: number): void {
    const hash = createHash('sha256').update(`${kindName(kind)} ${size}\0`)
    this.#table.oid(entry).set(hash.update(this.#workspace.bytes.subarray(at, at + size)).digest())
  }

  /** Hashes all that waits. InputError `sha1-collision`. */
  flush(): void {
    if (this.#queued === 0) return
    const { kernel } = this.#workspace
    const count = this.#queued
    this.#queued = 0
    const attack = kernel.sha1Flush()
    if (attack >= 0) throw this.#collision(attack * 4)
    const { words } = this.#workspace
    const { oids } = this.#table.columns
    let from = kernel.sha1Digests() >>> 2
    for (let i = 0; i < count; i++) {
      let to = this.#queue[i * 4]! * 5
      for (let k = 0; k < 5; k++) oids[to++] = words[from++]!
    }
  }

  #collision(slot: number): Error {
    const [, kind, at, size] = this.#queue.subarray(slot, slot + 4) as unknown as [number, Kind, number, number]
    return collision(objectIdOf(kind, this.#workspace.bytes.slice(at, at + size), 'sha1'))
  }

  /** Forgets all objects. Nothing may wait. */
  clear(): void {
    this.#next = this.#workspace.arena
    this.#soft = this.#next + SOFT_BYTES
  }
}

/** git's words for an object that is half of a SHA-1 collision. */
export function collision(oid: string): Error {
  return refuse('sha1-collision', `SHA-1 appears to be part of a collision attack: ${oid}`)
}
