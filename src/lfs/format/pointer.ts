// Pointer files: what stands in Git's history in an object's place (git-lfs docs/spec.md). Pure.
import { latin1 } from '../../base/index.ts'

/** A pointer file has no more. */
export const pointerBytes = 1024

/** What stands in each. */
export const pointerMark = 'oid sha256:'

const oids = /\noid sha256:([0-9a-f]{64})(?![0-9A-Za-z])/g

/**
 * The oids that the blob may point to, 64 hex digits each; none when it is no pointer. What git-lfs takes for a pointer is wider than its specification:
 * blank lines may stand anywhere, and extensions before the version. So whatever might be one counts: at worst an object stays that might leave.
 */
export function parsePointer(blob: Uint8Array): readonly string[] {
  if (blob.length > pointerBytes) return []
  return Array.from(latin1(blob).matchAll(oids), (match) => match[1] as string)
}
