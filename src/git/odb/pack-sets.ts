// The pack sets that a worker thread has seen, so that their look-up tables are not built again for each job.
import type { BlockReader } from '../../bucket/index.ts'
import { openPackSet, type PackSetHandle } from './pack-handle.ts'
import type { PackSet } from './pack-set.ts'

const mostNetworks = 16

export class PackSets {
  readonly #reader: BlockReader
  readonly #sets = new Map<string, { lineage: number; set: PackSet }>()

  constructor(reader: BlockReader) {
    this.#reader = reader
  }

  open(handle: PackSetHandle): PackSet {
    const known = this.#sets.get(handle.networkId)
    const extend = known && known.lineage === handle.lineage && known.set.packs.length <= handle.packs.length
    const set = openPackSet(handle, this.#reader, extend ? known.set : undefined)
    this.#sets.delete(handle.networkId)
    this.#sets.set(handle.networkId, { lineage: handle.lineage, set })
    if (this.#sets.size > mostNetworks) this.#sets.delete(this.#sets.keys().next().value as string)
    return set
  }
}
