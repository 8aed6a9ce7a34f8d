// The stored bytes of a plan's runs, read ahead (runs of one pack that lie close together are one read), and what their CRC must be.
import { hashBytes } from '../format/object-id.ts'
import type { StoredPack } from '../odb/pack-set.ts'
import { CrcChain } from '../format/crc-chain.ts'
import { PACK_HEADER_BYTES } from '../format/pack.ts'
import { StretchBuilder } from '../format/pack-checks.ts'
import type { Run } from './pack-plan.ts'
import type { PacedRepository } from './repository.ts'

/** Entries that lie no further apart than this are read together. */
const gapBytes = 16 << 10
const windowBytes = 512 << 10

/** Bytes of a stored pack that are sent as they stand; whoever streams the pack reads them. */
export interface PackRegion {
  /** Place of the pack in the set. */
  readonly pack: number
  /** The pack's id, for messages. */
  readonly packId: number
  readonly offset: number
  readonly sizeBytes: number
  readonly segments: RegionSegments
  /** Of a pack that is sent from its first byte to its last: the header and trailer that it must have; null: nobody has written them down. */
  readonly packEnds?: Uint8Array | null
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
  readonly #chain = new CrcChain()
  readonly #runs: readonly Run[]
  #window: { pack: number; offset: number; bytes: Uint8Array } | undefined

  constructor(repository: PacedRepository, runs: readonly Run[]) {
    this.#repository = repository
    this.#runs = runs
  }

  /** Where the run's entries lie. */
  extent(run: Run): Extent {
    const pack = this.#repository.set.packs[run.pack] as StoredPack
    const { index } = pack
    if (isWhole(run, pack)) {
      return { pack, offset: PACK_HEADER_BYTES, sizeBytes: index.packBytes - hashBytes(index.format) - PACK_HEADER_BYTES }
    }
    const order = index.order()
    const offset = pack.index.offset(order[run.from] as number)
    return { pack, offset, sizeBytes: pack.index.end(order[run.to - 1] as number) - offset }
  }

  /** What the CRCs of the run's bytes must be, by the index; looked up once for a whole pack. */
  async segments(run: Run): Promise<RegionSegments> {
    const { packSegments, pace } = this.#repository
    const { pack, offset, sizeBytes } = this.extent(run)
    const { index } = pack
    const known = isWhole(run, pack) ? (packSegments.get(run.pack) ?? checksOf(pack)) : undefined
    if (known) return known
    const order = index.order()
    const builder = new StretchBuilder(offset, this.#chain)
    for (let rank = run.from; rank < run.to; rank++) {
      const turn = pace.turn()
      if (turn) await turn
      builder.add(index.crc(order[rank] as number), rank + 1 < run.to ? index.offset(order[rank + 1] as number) : offset + sizeBytes)
    }
    const segments = { from: offset, ...builder.take() }
    if (isWhole(run, pack)) packSegments.set(run.pack, segments)
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

function isWhole(run: Run, { index }: StoredPack): boolean {
  return run.from === 0 && run.to === index.count && index.count > 0
}

function checksOf({ index }: StoredPack): RegionSegments | undefined {
  const checks = index.checks()
  return checks ? { from: PACK_HEADER_BYTES, ends: checks.ends, crcs: checks.crcs } : undefined
}
