// The stored bytes of a plan's runs, read ahead (runs of one pack that lie close together are one read), and what their CRC must be.
import type { StoredPack } from '../odb/pack-set.ts'
import { CrcChain } from './crc-chain.ts'
import type { Run } from './pack-plan.ts'
import type { PacedRepository } from './repository.ts'

/** Entries that lie no further apart than this are read together. */
const gapBytes = 16 << 10
const windowBytes = 512 << 10
/** What is checked at once of a region, or one entry where that is longer. */
const segmentBytes = 1 << 20

/** Bytes of a stored pack that are sent as they stand; whoever streams the pack reads them. */
export interface PackRegion {
  /** Place of the pack in the set. */
  readonly pack: number
  /** The pack's id, for messages. */
  readonly packId: number
  readonly offset: number
  readonly sizeBytes: number
  readonly segments: RegionSegments
}

/** CRC-32s of bytes that lie one behind the other in a pack. */
export interface RegionSegments {
  /** Where the first begins. */
  readonly from: number
  /** Where each ends. */
  readonly ends: Float64Array
  readonly crcs: Uint32Array
}

export interface Extent {
  readonly pack: StoredPack
  readonly offset: number
  readonly sizeBytes: number
}

export class RunBytes {
  readonly #repository: PacedRepository
  readonly #crcs = new CrcChain()
  readonly #runs: readonly Run[]
  #window: { pack: number; offset: number; bytes: Uint8Array } | undefined

  constructor(repository: PacedRepository, runs: readonly Run[]) {
    this.#repository = repository
    this.#runs = runs
  }

  /** Where the run's entries lie. */
  extent(run: Run): Extent {
    const pack = this.#repository.set.packs[run.pack] as StoredPack
    const order = pack.index.order()
    const offset = pack.index.offset(order[run.from] as number)
    return { pack, offset, sizeBytes: pack.index.end(order[run.to - 1] as number) - offset }
  }

  /** What the CRCs of the run's bytes must be, by the index; looked up once for a whole pack. */
  async segments(run: Run): Promise<RegionSegments> {
    const { packSegments, pace } = this.#repository
    const { pack, offset, sizeBytes } = this.extent(run)
    const { index } = pack
    const isWhole = run.from === 0 && run.to === index.count
    const known = isWhole ? packSegments.get(run.pack) : undefined
    if (known) return known
    const order = index.order()
    const ends: number[] = []
    const crcs: number[] = []
    let crc = 0
    for (let rank = run.from, start = offset, from = offset; rank < run.to; rank++) {
      const turn = pace.turn()
      if (turn) await turn
      const end = rank + 1 < run.to ? index.offset(order[rank + 1] as number) : offset + sizeBytes
      crc = this.#crcs.join(crc, index.crc(order[rank] as number), end - start)
      start = end
      if (end - from < segmentBytes && rank + 1 < run.to) continue
      ends.push(end)
      crcs.push(crc)
      crc = 0
      from = end
    }
    const segments = { from: offset, ends: Float64Array.from(ends), crcs: Uint32Array.from(crcs) }
    if (isWhole) packSegments.set(run.pack, segments)
    return segments
  }

  /** Bytes of the pack that the run at `place` lies in; what follows soon is read along. Valid until the next call. */
  read(place: number, offset: number, sizeBytes: number): Uint8Array | Promise<Uint8Array> {
    const packPlace = (this.#runs[place] as Run).pack
    const window = this.#window
    if (window?.pack === packPlace && offset >= window.offset && offset + sizeBytes <= window.offset + window.bytes.length) {
      return window.bytes.subarray(offset - window.offset, offset - window.offset + sizeBytes)
    }
    const pack = this.#repository.set.packs[packPlace] as StoredPack
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
