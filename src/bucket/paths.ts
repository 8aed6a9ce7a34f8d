// The only place that builds keys. What stands in a bucket:
//
//   pack/{first 2 hex digits of the UUID}/{UUID v4}     one stored pack: docs/design/pack-key.md
//   history/{the same}                                  one history table: docs/design/history-key.md
//   paths/{the same}                                    one part of a path table: docs/design/paths-key.md
//   segment/{the same}                                  chunks of content: docs/design/content-store.md
//   whole/{the same}                                    content as it came, or a part of it: docs/design/content-store.md; with a UUID v8 its bytes alone
//
// Invariants: every key is built from a fresh UUID, so no key is written twice; a key is 1 to 8 segments of [A-Za-z0-9._-] that don't
// begin with a dot, so it is the same on every bucket and can't leave a folder; `tmp/` is the filesystem bucket's own and never a key.
import { CorruptError } from '../base/index.ts'
import type { Key } from './bucket.ts'

const uuidShape = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
const keyShape = /^(?:[A-Za-z0-9_-][A-Za-z0-9._-]*\/){0,7}[A-Za-z0-9_-][A-Za-z0-9._-]*$/
const longestKey = 512

/** Everything that is a stored pack. */
export const packPrefix = 'pack/'

/** Everything that is a history table. */
export const historyPrefix = 'history/'

/** Everything that is a path table's part. */
export const pathTablePrefix = 'paths/'

/** Everything that is a segment of the content store. */
export const segmentPrefix = 'segment/'

/** Everything that is a part of a whole content, or of an upload. */
export const wholePrefix = 'whole/'

/** The key of a stored pack. `uuid`: lower case, fresh for each attempt to write (Randomness.uuid()). */
export function packKey(uuid: string): Key {
  return keyBelow(packPrefix, uuid)
}

/** The key of a history table; `uuid` as for `packKey`. */
export function historyKey(uuid: string): Key {
  return keyBelow(historyPrefix, uuid)
}

/** The key of a path table's part; `uuid` as for `packKey`. */
export function pathTableKey(uuid: string): Key {
  return keyBelow(pathTablePrefix, uuid)
}

/** The key of a segment; `uuid` as for `packKey`. */
export function segmentKey(uuid: string): Key {
  return keyBelow(segmentPrefix, uuid)
}

/** The key of a part of a whole content; `uuid` as for `packKey`. */
export function wholeKey(uuid: string): Key {
  return keyBelow(wholePrefix, uuid)
}

function keyBelow(prefix: string, uuid: string): Key {
  if (!uuidShape.test(uuid)) throw new RangeError(`not a lower-case UUID: ${uuid}`)
  return parseKey(`${prefix}${uuid.slice(0, 2)}/${uuid}`)
}

/** A key that came from our own rows or from a listing. CorruptError('bad-key') for anything that this file couldn't have built. */
export function parseKey(text: string): Key {
  if (!isKey(text)) throw new CorruptError('bad-key', `not a key of a bucket: ${JSON.stringify(text.slice(0, 100))}`)
  return text
}

/** True when `parseKey` would take it. */
export function isKey(text: string): text is Key {
  return text.length <= longestKey && keyShape.test(text) && text !== 'tmp' && !text.startsWith('tmp/')
}
