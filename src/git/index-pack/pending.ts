// Deltas whose base is named by an id that was not known when the pack had arrived: it is the result of another delta, or in no pack at all.
// Sorted by that id, in shared memory; whoever resolves an object takes the deltas that wait for it.
import { compareBytes } from '../../base/index.ts'
import type { EntryTable } from './entry-table.ts'
import type { NamedBase } from './receiver.ts'

/** As posted to another thread. */
export interface SharedPending {
  readonly idBytes: number
  readonly ids: Uint8Array<SharedArrayBuffer>
  readonly entries: Int32Array<SharedArrayBuffer>
  readonly taken: Int32Array<SharedArrayBuffer>
}

export class PendingDeltas {
  readonly shared: SharedPending

  constructor(shared: SharedPending) {
    this.shared = shared
  }

  static of(waiting: readonly NamedBase[], idBytes: number): PendingDeltas {
    const sorted = [...waiting].sort((a, b) => compareBytes(a.base, b.base))
    const ids = new Uint8Array(new SharedArrayBuffer(sorted.length * idBytes))
    sorted.forEach(({ base }, i) => ids.set(base, i * idBytes))
    const entries = new Int32Array(new SharedArrayBuffer(sorted.length * 4))
    sorted.forEach(({ entry }, i) => (entries[i] = entry))
    return new PendingDeltas({ idBytes, ids, entries, taken: new Int32Array(new SharedArrayBuffer(sorted.length * 4)) })
  }

  get count(): number {
    return this.shared.entries.length
  }

  /** The deltas that nobody took. */
  left(): NamedBase[] {
    const { ids, entries, taken, idBytes } = this.shared
    return [...entries].map((entry, i) => ({ entry, base: ids.slice(i * idBytes, (i + 1) * idBytes) })).filter((_, i) => taken[i] === 0)
  }

  /** Links the deltas that wait for this entry's id to it. */
  attach(table: EntryTable, entry: number): void {
    const { ids, entries, taken, idBytes } = this.shared
    const id = table.oid(entry)
    const order = (i: number) => Buffer.compare(ids.subarray(i * idBytes, (i + 1) * idBytes), id)
    let low = 0
    let high = entries.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (order(middle) < 0) low = middle + 1
      else high = middle
    }
    for (let i = low; i < entries.length && order(i) === 0; i++) {
      if (Atomics.compareExchange(taken, i, 0, 1) === 0) table.link(entries[i]!, entry)
    }
  }
}
