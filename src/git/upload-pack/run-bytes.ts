// The stored bytes of a plan's runs, read ahead: runs of one pack that lie close together are one read.
import type { PackSet, StoredPack } from '../odb/pack-set.ts'
import type { Run } from './pack-plan.ts'

/** Entries that lie no further apart than this are read together. */
const gapBytes = 16 << 10
const windowBytes = 512 << 10

export interface Extent {
  readonly pack: StoredPack
  readonly offset: number
  readonly sizeBytes: number
}

export class RunBytes {
  readonly #set: PackSet
  readonly #runs: readonly Run[]
  #window: { pack: number; offset: number; bytes: Uint8Array } | undefined

  constructor(set: PackSet, runs: readonly Run[]) {
    this.#set = set
    this.#runs = runs
  }

  /** Where the run's entries lie. */
  extent(run: Run): Extent {
    const pack = this.#set.packs[run.pack] as StoredPack
    const order = pack.index.order()
    const offset = pack.index.offset(order[run.from] as number)
    return { pack, offset, sizeBytes: pack.index.end(order[run.to - 1] as number) - offset }
  }

  /** Bytes of the pack that the run at `place` lies in; what follows soon is read along. Valid until the next call. */
  read(place: number, offset: number, sizeBytes: number): Uint8Array | Promise<Uint8Array> {
    const packPlace = (this.#runs[place] as Run).pack
    const window = this.#window
    if (window?.pack === packPlace && offset >= window.offset && offset + sizeBytes <= window.offset + window.bytes.length) {
      return window.bytes.subarray(offset - window.offset, offset - window.offset + sizeBytes)
    }
    const pack = this.#set.packs[packPlace] as StoredPack
    const bytes = pack.read(offset, this.#ahead(place, offset + sizeBytes) - offset)
    const keep = (read: Uint8Array) => {
      this.#window = { pack: packPlace, offset, bytes: read }
      return read.subarray(0, sizeBytes)
    }
    return bytes instanceof Promise ? bytes.then(keep) : keep(bytes)
  }

  /** How far to read beyond `end`. */
  #ahead(place: number, end: number): number {
    const limit = end + windowBytes
    let to = end
    for (let i = place; i < this.#runs.length; i++) {
      const run = this.#runs[i] as Run
      if (run.pack !== (this.#runs[place] as Run).pack) break
      const { offset, sizeBytes } = this.extent(run)
      if (offset > to + gapBytes || offset + sizeBytes > limit) break
      to = Math.max(to, offset + sizeBytes)
    }
    return to
  }
}
