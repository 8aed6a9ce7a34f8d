// Packs: header, entries, trailer (gitformat-pack(5)).
//   PACK · version 2 · number of entries · entries · hash of all that
//   entry: type and size (4 bits, then 7 a byte, low first), then for ofs-delta the distance back to the base (7 bits a byte, high first,
//   each further byte adding one), for ref-delta the base's id; then the zlib stream of the object or delta
// Readers of a stream get null for "more bytes are needed", never a guess.
import { asBuffer, InputError } from '../../base/index.ts'
import { hashBytes, type Kind, type ObjectFormat } from './object-id.ts'

export const PACK_HEADER_BYTES = 12
/** No entry header is longer: 10 bytes of type and size, 32 of base id. */
export const MAX_ENTRY_HEADER_BYTES = 42

/** Entry types beside the four kinds of object. */
export const EntryType = { ofsDelta: 6, refDelta: 7 } as const
export type EntryType = Kind | (typeof EntryType)[keyof typeof EntryType]

/** The pack's number of entries; null when fewer than 12 bytes are there. InputError: `pack-signature`, `pack-version`. */
export function decodePackHeader(bytes: Uint8Array, at = 0): { readonly version: 2 | 3; readonly objectCount: number } | null {
  const view = asBuffer(bytes)
  const there = Math.min(4, bytes.length - at)
  for (let i = 0; i < there; i++) {
    if (bytes[at + i] !== 'PACK'.charCodeAt(i)) throw new InputError('pack-signature', 'pack signature mismatch')
  }
  if (bytes.length - at < PACK_HEADER_BYTES) return null
  const version = view.readUInt32BE(at + 4)
  if (version !== 2 && version !== 3) throw new InputError('pack-version', `pack version ${version} unsupported`)
  return { version, objectCount: view.readUInt32BE(at + 8) }
}

/** The 12 bytes that begin a pack of that many entries. */
export function encodePackHeader(objectCount: number): Uint8Array {
  const out = Buffer.alloc(PACK_HEADER_BYTES)
  out.write('PACK', 'latin1')
  out.writeUInt32BE(2, 4)
  out.writeUInt32BE(objectCount, 8)
  return new Uint8Array(out.buffer, out.byteOffset, out.length)
}

/** What stands before an entry's zlib stream. */
export interface EntryHeader {
  /** 1–4 a whole object; 6 and 7 a delta. */
  readonly type: EntryType
  /** Bytes of the object or, for deltas, of the delta, inflated. */
  readonly sizeBytes: number
  readonly headerBytes: number
  /** ofs-delta: bytes back from this entry's start to the base's; otherwise 0. */
  readonly baseDistance: number
  /** ref-delta: a view of the base's id; otherwise null. */
  readonly baseId: Uint8Array | null
}

/**
 * The entry header at `at`; null when the bytes end before it does.
 * InputError: `pack-entry-type` (0 or 5), `pack-entry-size` (above 2^53), `pack-base-offset` (zero, or above 2^53).
 * The caller checks that the distance doesn't leave the pack.
 */
export function decodeEntryHeader(bytes: Uint8Array, at: number, format: ObjectFormat): EntryHeader | null {
  let i = at
  let byte = bytes[i++]
  if (byte === undefined) return null
  const type = (byte >> 4) & 7
  if (type === 0 || type === 5) throw new InputError('pack-entry-type', `unknown object type ${type}`)
  let sizeBytes = byte & 15
  for (let scale = 16; byte >= 0x80; scale *= 128) {
    byte = bytes[i++]
    if (byte === undefined) return null
    sizeBytes += (byte & 0x7f) * scale
    if (sizeBytes > Number.MAX_SAFE_INTEGER || i - at > 10) {
      throw new InputError('pack-entry-size', 'bad object header: its size is out of range')
    }
  }
  if (type === EntryType.ofsDelta) return decodeDistance(bytes, at, i, sizeBytes)
  if (type !== EntryType.refDelta) return { type: type as Kind, sizeBytes, headerBytes: i - at, baseDistance: 0, baseId: null }
  const end = i + hashBytes(format)
  if (end > bytes.length) return null
  return { type, sizeBytes, headerBytes: end - at, baseDistance: 0, baseId: bytes.subarray(i, end) }
}

function decodeDistance(bytes: Uint8Array, start: number, from: number, sizeBytes: number): EntryHeader | null {
  let i = from
  let byte = bytes[i++]
  if (byte === undefined) return null
  let distance = byte & 0x7f
  while (byte >= 0x80) {
    byte = bytes[i++]
    if (byte === undefined) return null
    distance = (distance + 1) * 128 + (byte & 0x7f)
    if (distance > Number.MAX_SAFE_INTEGER) throw new InputError('pack-base-offset', 'offset value overflow for delta base object')
  }
  if (distance === 0) throw new InputError('pack-base-offset', 'delta base offset is out of bound')
  return { type: EntryType.ofsDelta, sizeBytes, headerBytes: i - start, baseDistance: distance, baseId: null }
}

/** The header of an entry; `base` is the distance for ofs-delta, the id for ref-delta, and left out for objects. */
export function encodeEntryHeader(type: EntryType, sizeBytes: number, base?: number | Uint8Array): Uint8Array {
  const out: number[] = []
  let rest = Math.floor(sizeBytes / 16)
  out.push((type << 4) | (sizeBytes % 16) | (rest > 0 ? 0x80 : 0))
  for (; rest > 0; rest = Math.floor(rest / 128)) out.push((rest % 128) | (rest >= 128 ? 0x80 : 0))
  if (base instanceof Uint8Array) out.push(...base)
  else if (base !== undefined) out.push(...encodeDistance(base))
  return Uint8Array.from(out)
}

function encodeDistance(distance: number): number[] {
  const out = [distance % 128]
  for (let rest = Math.floor(distance / 128); rest > 0; rest = Math.floor(rest / 128)) {
    rest--
    out.unshift((rest % 128) | 0x80)
  }
  return out
}
