// What a failed inflate means, in git's words.
import type { InputError } from '../../base/index.ts'
import { DeltaStatus, InflateStatus } from '../../../kernels/index.ts'
import { refuse } from './errors.ts'

/** The refusal for a status of inflate other than ok, at that offset of the pack. */
export function inflateError(status: number, offset: number): InputError {
  const at = `pack has bad object at offset ${offset}`
  if (status === InflateStatus.tooLong) return refuse('pack-zlib', `${at}: inflated data is longer than declared`)
  if (status === InflateStatus.tooShort) return refuse('pack-zlib', `${at}: serious inflate inconsistency: it is shorter than declared`)
  if (status === InflateStatus.badChecksum) return refuse('pack-zlib', `${at}: inflate returned -3 (incorrect data check)`)
  if (status === InflateStatus.needInput) return refuse('pack-truncated', `${at}: its data goes on behind the entry's end`)
  return refuse('pack-zlib', `${at}: inflate returned -3`)
}

/** The refusal for a status of a delta other than ok. */
export function deltaError(status: number, offset: number): InputError {
  const why =
    status === DeltaStatus.range
      ? 'it copies from outside its base'
      : status === DeltaStatus.header
        ? 'its sizes are malformed'
        : 'malformed instructions'
  return refuse('pack-delta', `failed to apply delta at offset ${offset}: ${why}`)
}
