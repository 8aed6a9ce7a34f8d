// Pointer files: what stands in Git's history in an object's place (git-lfs docs/spec.md). Pure.
import { latin1 } from '../../base/index.ts'

/** A pointer file has no more. */
export const pointerBytes = 1024

/** How each begins. */
export const pointerStart = 'version '

/** Version 1 has had three names. */
const version =
  /^version (https:\/\/git-lfs\.github\.com\/spec\/v1|https:\/\/hawser\.github\.com\/spec\/v1|http:\/\/git-media\.io\/v\/2)\r?\n/
const oid = /\noid sha256:([0-9a-f]{64})\r?\n/

/** The oid that it points to: 64 hex digits; null when the blob is no pointer. */
export function parsePointer(blob: Uint8Array): string | null {
  if (blob.length > pointerBytes) return null
  const text = latin1(blob)
  return version.test(text) ? (oid.exec(`${text}\n`)?.[1] ?? null) : null
}
