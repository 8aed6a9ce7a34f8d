// What a path below /v2/ is about. Names have slashes, and any component may be called `blobs` or `manifests`: paths are read from their end.
import { assertDigest, type OciDigest, parseDigest } from './digests.ts'
import { ociError } from './errors.ts'
import { assertImageName, assertTag, type ImageName } from './names.ts'

export type Reference = { readonly kind: 'tag'; readonly tag: string } | { readonly kind: 'digest'; readonly digest: OciDigest }

export type Target =
  | { readonly kind: 'manifest'; readonly name: ImageName; readonly reference: Reference }
  | { readonly kind: 'blob'; readonly name: ImageName; readonly digest: OciDigest }
  | { readonly kind: 'referrers'; readonly name: ImageName; readonly digest: OciDigest }
  | { readonly kind: 'uploads'; readonly name: ImageName }
  | { readonly kind: 'tags'; readonly name: ImageName }
  | { readonly kind: 'upload'; readonly name: ImageName; readonly id: string }

const shapes: readonly { readonly pattern: RegExp; readonly read: (name: ImageName, last: string) => Target }[] = [
  { pattern: /^(.+)\/blobs\/uploads\/?()$/, read: (name) => ({ kind: 'uploads', name }) },
  { pattern: /^(.+)\/blobs\/uploads\/([^/]+)$/, read: (name, id) => ({ kind: 'upload', name, id }) },
  { pattern: /^(.+)\/blobs\/([^/]+)$/, read: (name, text) => ({ kind: 'blob', name, digest: assertDigest(text) }) },
  { pattern: /^(.+)\/manifests\/([^/]+)$/, read: (name, text) => ({ kind: 'manifest', name, reference: parseReference(text) }) },
  { pattern: /^(.+)\/tags\/list()$/, read: (name) => ({ kind: 'tags', name }) },
  { pattern: /^(.+)\/referrers\/([^/]+)$/, read: (name, text) => ({ kind: 'referrers', name, digest: assertDigest(text) }) },
]

/**
 * @param path behind `/v2/`, decoded, no slash at its beginning
 * @returns null where the protocol has nothing. InputError 'name-invalid', 'digest-invalid', 'tag-invalid'
 */
export function parseTarget(path: string): Target | null {
  for (const { pattern, read } of shapes) {
    const match = pattern.exec(path)
    if (match) return read(assertImageName(match[1] as string), match[2] as string)
  }
  return null
}

/** A tag, or a digest: whatever has a colon is meant as one. */
export function parseReference(text: string): Reference {
  if (!text.includes(':')) return { kind: 'tag', tag: assertTag(text) }
  const digest = parseDigest(text)
  if (digest === null) throw ociError('digest-invalid')
  return { kind: 'digest', digest }
}
