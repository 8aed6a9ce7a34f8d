// Headers of stored entries. What is wrong in one is our damage, whatever the format's decoder calls it.
import { CorruptError } from '../../base/index.ts'
import { decodeEntryHeader, type EntryHeader } from '../format/pack.ts'
import type { StoredPack } from './pack-set.ts'

/** Of the entry that the bytes begin with. @throws CorruptError */
export function storedEntryHeader(bytes: Uint8Array, pack: Pick<StoredPack, 'id' | 'index'>): EntryHeader {
  try {
    const header = decodeEntryHeader(bytes, 0, pack.index.format)
    if (header) return header
  } catch (cause) {
    throw new CorruptError('stored-pack', `an entry of pack ${pack.id} has a wrong header`, { cause })
  }
  throw new CorruptError('stored-pack', `an entry of pack ${pack.id} is cut off in its header`)
}
