// Index files beside packs on disk, versions 1 and 2 (gitformat-pack(5)), read in place: no table is copied.
//   version 1: fan-out · (offset · id) for each object · hash of the pack · hash of all that
import { createHash } from 'node:crypto'
import { asBuffer, equalBytes } from '../../base/index.ts'
import { hashBytes, type ObjectFormat } from '../format/object-id.ts'
import { wrong } from './errors.ts'

const fanoutBytes = 256 * 4
const largeBit = 0x8000_0000

export class DiskIdx {
  readonly count: number
  /** The trailer of the pack that it belongs to. */
  readonly packHash: Uint8Array
  readonly #bytes: Buffer
  readonly #h: number
  readonly #fanoutAt: number
  readonly #idsAt: number
  readonly #idStride: number
  readonly #crcsAt: number | null
  readonly #offsetsAt: number
  readonly #offsetStride: number
  readonly #largeAt: number

  /** InputError `disk-pack`, naming the file, for every way in which it isn't a sound index. Its checksum stands for the ids' order. */
  constructor(path: string, bytes: Uint8Array, format: ObjectFormat) {
    const fail = (what: string) => wrong('disk-pack', path, `pack index ${what}`)
    const h = hashBytes(format)
    const view = asBuffer(bytes)
    this.#bytes = view
    this.#h = h
    const isNew = bytes.length >= 8 && view.readUInt32BE(0) === 0xff744f63
    if (isNew && view.readUInt32BE(4) !== 2) throw fail(`has version ${view.readUInt32BE(4)}, which is not supported`)
    this.#fanoutAt = isNew ? 8 : 0
    const tablesAt = this.#fanoutAt + fanoutBytes
    if (bytes.length < tablesAt + 2 * h) throw fail('is too small')
    this.count = view.readUInt32BE(tablesAt - 4)
    for (let first = 1; first < 256; first++)
      if (this.#fanout(first) < this.#fanout(first - 1)) throw fail('has a fan-out that is not in order')
    this.#idsAt = isNew ? tablesAt : tablesAt + 4
    this.#idStride = isNew ? h : h + 4
    this.#crcsAt = isNew ? tablesAt + this.count * h : null
    this.#offsetsAt = isNew ? tablesAt + this.count * (h + 4) : tablesAt
    this.#offsetStride = isNew ? 4 : h + 4
    this.#largeAt = tablesAt + this.count * (isNew ? h + 8 : h + 4)
    const trailerAt = bytes.length - 2 * h
    const largeBytes = trailerAt - this.#largeAt
    if (largeBytes < 0 || largeBytes % 8 !== 0 || (!isNew && largeBytes > 0)) throw fail('has another size than its count says')
    if (!equalBytes(createHash(format).update(bytes.subarray(0, -h)).digest(), bytes.subarray(-h))) {
      throw fail('does not match its own checksum')
    }
    this.packHash = bytes.subarray(trailerAt, trailerAt + h)
    for (let i = 0; i < this.count; i++) {
      const raw = view.readUInt32BE(this.#offsetsAt + i * this.#offsetStride)
      if (isNew && raw >= largeBit && (raw - largeBit + 1) * 8 > largeBytes) throw fail('names an offset that it does not hold')
    }
  }

  /** Position of the id that starts at `at` in `oids`; −1 when it isn't there. */
  find(oids: Uint8Array, at: number): number {
    const first = oids[at] as number
    let low = first === 0 ? 0 : this.#fanout(first - 1)
    let high = Math.min(this.#fanout(first), this.count)
    while (low < high) {
      const middle = (low + high) >>> 1
      const here = this.#idsAt + middle * this.#idStride
      const order = this.#bytes.compare(oids, at, at + this.#h, here, here + this.#h)
      if (order === 0) return middle
      if (order < 0) low = middle + 1
      else high = middle
    }
    return -1
  }

  /** The id at that position: a view. */
  oid(position: number): Uint8Array {
    const at = this.#idsAt + position * this.#idStride
    return this.#bytes.subarray(at, at + this.#h)
  }

  offset(position: number): number {
    const raw = this.#bytes.readUInt32BE(this.#offsetsAt + position * this.#offsetStride)
    if (this.#crcsAt === null || raw < largeBit) return raw
    return Number(this.#bytes.readBigUInt64BE(this.#largeAt + (raw - largeBit) * 8))
  }

  /** CRC-32 of the entry's bytes; null in version 1, which has none. */
  crc(position: number): number | null {
    return this.#crcsAt === null ? null : this.#bytes.readUInt32BE(this.#crcsAt + position * 4)
  }

  #fanout(first: number): number {
    return this.#bytes.readUInt32BE(this.#fanoutAt + first * 4)
  }
}
