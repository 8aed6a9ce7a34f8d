// The indexer's refusals, by code. The texts are git's own where it has one: users know them, and look them up.
import { InputError } from '../../base/index.ts'

export type IndexPackCode =
  | 'pack-truncated'
  | 'pack-trailer'
  | 'pack-garbage'
  | 'pack-too-large'
  | 'pack-entry'
  | 'pack-zlib'
  | 'pack-delta'
  | 'pack-unresolved'
  | 'pack-too-many-objects'
  | 'object-too-large'
  | 'pack-bomb'
  | 'delta-too-deep'
  | 'sha1-collision'
  | 'fsck'
  | 'object-missing'
  | 'object-kind'
  | 'too-many-references'

/** An InputError of this room. */
export function refuse(code: IndexPackCode, message: string, options?: ErrorOptions): InputError {
  return new InputError(code, message, options)
}
