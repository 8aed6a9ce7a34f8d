// The name of content: SHA-256 of its bytes, as 64 lower-case hex digits.
import { fromHex, hex } from '../base/index.ts'

export type Digest = string & { readonly __brand: 'Digest' }

const shape = /^[0-9a-f]{64}$/

/** Null when it isn't 64 lower-case hex digits. */
export function parseDigest(text: string): Digest | null {
  return isDigest(text) ? text : null
}

export function isDigest(text: string): text is Digest {
  return shape.test(text)
}

/** Of 32 bytes, as the database keeps them. */
export function digestOf(bytes: Uint8Array): Digest {
  const text = hex(bytes)
  if (!isDigest(text)) throw new RangeError(`a digest has 32 bytes, not ${bytes.length}`)
  return text
}

/** As the database keeps it. */
export function digestBytes(digest: Digest): Uint8Array {
  return fromHex(digest)
}
