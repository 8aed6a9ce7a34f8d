// What the bytes of a whole stored pack are checked by while they are streamed, without a look at single entries: section CHKS (docs/design/pack-key.md).
// CRC-32s of stretches of entries, about 1 MiB each, joined from the entries' own, and the pack's trailer. Pure.
import { CorruptError } from '../../base/index.ts'
import { CrcChain } from './crc-chain.ts'

/** A stretch is as long as this, or one entry where that is longer. */
export const stretchBytes = 1 << 20
const recordBytes = 16

export interface PackChecks {
  /** Where each stretch ends in the pack; the first begins behind the pack's header. */
  readonly ends: Float64Array
  readonly crcs: Uint32Array
  /** The pack's own: the hash of all before it. */
  readonly trailer: Uint8Array
}

/** Joins the entries' CRCs: entry i, in the order of the pack, ends at `endOf(i)` and begins where the one before ends. */
export class StretchBuilder {
  readonly #chain: CrcChain
  readonly #ends: number[] = []
  readonly #crcs: number[] = []
  #crc = 0
  #from: number
  #at: number

  /**
   * @param from where the first entry begins
   * @param chain one that was used before has its tables ready
   */
  constructor(from: number, chain = new CrcChain()) {
    this.#chain = chain
    this.#from = from
    this.#at = from
  }

  add(crc: number, end: number): void {
    this.#crc = this.#chain.join(this.#crc, crc, end - this.#at)
    this.#at = end
    if (end - this.#from >= stretchBytes) this.#close()
  }

  take(): { readonly ends: Float64Array; readonly crcs: Uint32Array } {
    if (this.#at > this.#from) this.#close()
    return { ends: Float64Array.from(this.#ends), crcs: Uint32Array.from(this.#crcs) }
  }

  #close(): void {
    this.#ends.push(this.#at)
    this.#crcs.push(this.#crc)
    this.#crc = 0
    this.#from = this.#at
  }
}

/** @param order positions in the order of their entries */
export function makeChecks(
  pack: { readonly offsets: Float64Array; readonly crcs: Uint32Array; readonly entriesEnd: number },
  order: Uint32Array,
  trailer: Uint8Array,
): PackChecks {
  const { offsets, crcs, entriesEnd } = pack
  const builder = new StretchBuilder(order.length > 0 ? (offsets[order[0] as number] as number) : entriesEnd)
  for (let rank = 0; rank < order.length; rank++) {
    const end = rank + 1 < order.length ? (offsets[order[rank + 1] as number] as number) : entriesEnd
    builder.add(crcs[order[rank] as number] as number, end)
  }
  return { ...builder.take(), trailer }
}

/** `(u64 end, u32 CRC, u32 zero)` for each stretch, then the trailer. */
export function encodeChecks({ ends, crcs, trailer }: PackChecks): Uint8Array {
  const out = Buffer.alloc(ends.length * recordBytes + trailer.length)
  for (let i = 0; i < ends.length; i++) {
    out.writeBigUInt64LE(BigInt(ends[i] as number), i * recordBytes)
    out.writeUInt32LE(crcs[i] as number, i * recordBytes + 8)
  }
  out.set(trailer, ends.length * recordBytes)
  return out
}

/** CorruptError when it isn't made so. */
export function decodeChecks(bytes: Uint8Array, trailerBytes: number): PackChecks {
  const count = (bytes.length - trailerBytes) / recordBytes
  if (!Number.isInteger(count) || count < 0) throw new CorruptError('stored-pack', 'the section CHKS has a length that none can have')
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  return {
    ends: Float64Array.from({ length: count }, (_, i) => Number(view.getBigUint64(i * recordBytes, true))),
    crcs: Uint32Array.from({ length: count }, (_, i) => view.getUint32(i * recordBytes + 8, true)),
    trailer: new Uint8Array(bytes.subarray(count * recordBytes)), // a copy: a Buffer's slice is none
  }
}
