// Sections of a stored value, and the directory that names them: what stored packs (docs/design/pack-key.md), history tables
// (history-key.md) and segments (content-store.md) have in common. Every section starts at a multiple of 8 of the value, so that it is read in
// place. Pure.
//   directory := (name: 4 ASCII bytes, u32 zero, u64 offset in the value, u64 size in bytes) for each section
import { asBuffer } from './bytes.ts'
import { CorruptError } from './errors.ts'

const entryBytes = 24

/**
 * The sections, the directory, and room for a trailer.
 * @param valueBytes how much of the value stands before; zeros fill it up to a multiple of 8
 * @returns all that follows those `valueBytes`; `trailerAt` is where the trailer goes. Sections stand at multiples of 8 of its memory, too.
 */
export function encodeSections(
  sections: readonly (readonly [string, Uint8Array])[],
  valueBytes: number,
  trailerBytes: number,
): { readonly bytes: Buffer; readonly trailerAt: number } {
  const padBytes = (8 - (valueBytes % 8)) % 8
  let sizeBytes = padBytes
  for (const [, bytes] of sections) sizeBytes += Math.ceil(bytes.length / 8) * 8
  let entryAt = sizeBytes
  sizeBytes += sections.length * entryBytes + trailerBytes
  const skipped = (8 - padBytes) % 8
  const out = Buffer.from(new ArrayBuffer(skipped + sizeBytes), skipped)
  let at = padBytes
  for (const [name, bytes] of sections) {
    out.set(bytes, at)
    out.write(name, entryAt, 'latin1')
    out.writeBigUInt64LE(BigInt(valueBytes + at), entryAt + 8)
    out.writeBigUInt64LE(BigInt(bytes.length), entryAt + 16)
    at += Math.ceil(bytes.length / 8) * 8
    entryAt += entryBytes
  }
  return { bytes: out, trailerAt: entryAt }
}

/**
 * Views of the sections by name.
 * @param bytes the end of a value, from `from` on
 * @throws CorruptError when the directory doesn't fit the bytes
 */
export function decodeSections(bytes: Uint8Array, from: number, count: number, trailerBytes: number): ReadonlyMap<string, Uint8Array> {
  const buffer = asBuffer(bytes)
  const directoryAt = bytes.length - trailerBytes - count * entryBytes
  if (directoryAt < 0) throw new CorruptError('stored-value', 'the directory of a stored value is cut off')
  const sections = new Map<string, Uint8Array>()
  for (let i = 0; i < count; i++) {
    const at = directoryAt + i * entryBytes
    const start = Number(buffer.readBigUInt64LE(at + 8)) - from
    const sizeBytes = Number(buffer.readBigUInt64LE(at + 16))
    if (start < 0 || start % 8 !== 0 || start + sizeBytes > directoryAt) {
      throw new CorruptError('stored-value', 'a section of a stored value lies outside of it')
    }
    sections.set(buffer.toString('latin1', at, at + 4), bytes.subarray(start, start + sizeBytes))
  }
  return sections
}

/** The section as numbers, read in place. CorruptError when it is missing, or has not `count` of them where that is given. */
export function wordsOf(sections: ReadonlyMap<string, Uint8Array>, name: string, count?: number): Uint32Array {
  const bytes = sectionOf(sections, name, count === undefined ? undefined : count * 4)
  return new Uint32Array(bytes.buffer, bytes.byteOffset, Math.floor(bytes.length / 4))
}

/** The section's bytes. Errors as `wordsOf`. */
export function sectionOf(sections: ReadonlyMap<string, Uint8Array>, name: string, sizeBytes?: number): Uint8Array {
  const found = sections.get(name)
  if (!found || (sizeBytes !== undefined && found.length !== sizeBytes)) {
    throw new CorruptError('stored-value', `section ${name} of a stored value is missing or has a wrong size`)
  }
  return found
}
