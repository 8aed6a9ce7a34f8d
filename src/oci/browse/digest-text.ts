// What names a manifest in the API: a tag or a digest.
import { parseDigest } from '../format/digests.ts'

/** Null where it is none. */
export function parseDigestText(text: string): Uint8Array | null {
  return parseDigest(text)?.bytes ?? null
}
