// Whether the bytes of a stored pack are still those that were indexed, told while they are streamed: about every MiB.
import { crc32 } from 'node:zlib'
import { CorruptError } from '../../base/index.ts'
import type { PackRegion } from './run-bytes.ts'
import { checkAll, type StretchPass } from './stretch-sampler.ts'

export class RegionCheck {
  readonly #region: PackRegion
  readonly #pass: StretchPass
  #at: number // in the pack
  #segment = 0
  #isChecked: boolean
  #crc = 0

  constructor(region: PackRegion, pass: StretchPass = checkAll) {
    this.#region = region
    this.#pass = pass
    this.#isChecked = pass.isChecked(0)
    this.#at = region.offset
  }

  /** Segments that were whole and right so far, or were not looked at. */
  get passed(): number {
    return this.#segment
  }

  /** Takes the region's next bytes. CorruptError when a segment ends with them whose CRC isn't the index's. */
  take(bytes: Uint8Array): void {
    const { from: start, ends, crcs } = this.#region.segments
    let from = Math.min(bytes.length, Math.max(0, start - this.#at))
    this.#at += from
    while (from < bytes.length && this.#segment < ends.length) {
      const end = ends[this.#segment] as number
      const part = Math.min(bytes.length - from, end - this.#at)
      if (this.#isChecked) this.#crc = crc32(bytes.subarray(from, from + part), this.#crc)
      from += part
      this.#at += part
      if (this.#at < end) continue
      if (this.#isChecked) {
        if (this.#crc !== crcs[this.#segment]) throw this.corrupt(`do not agree with the index before ${end}`)
        this.#pass.passed(this.#segment)
      }
      this.#crc = 0
      this.#segment++
      this.#isChecked = this.#pass.isChecked(this.#segment)
    }
    this.#at += bytes.length - from
  }

  /** CorruptError unless all bytes came. */
  end(): void {
    if (this.#at !== this.#region.offset + this.#region.sizeBytes) throw this.corrupt('are not all there')
  }

  corrupt(what: string): CorruptError {
    const { packId, offset, sizeBytes } = this.#region
    return new CorruptError('stored-pack', `bytes ${offset} to ${offset + sizeBytes} of pack ${packId} ${what}`)
  }
}
