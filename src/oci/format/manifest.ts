// Manifests as they are pushed (image-spec manifest.md, image-index.md; distribution's schema 2): what a registry has to know of one. The bytes stay as they
// came; here they are only read. Whatever two clients could read in two ways is refused (CVE-2021-41190): lists and layers in one, a media type that differs from
// Content-Type, a key twice, a key that differs from a known one by the case of its letters alone.
import type { OciDigest } from './digests.ts'
import { parseDigest } from './digests.ts'
import { ociError } from './errors.ts'
import { parseJsonText } from './json-text.ts'
import { isAnything, isIndex, isManifest, isSchema1, mediaTypeOf, ociIndex, ociManifest } from './media-types.ts'

export interface ManifestLimits {
  readonly bytes: number
  /** How many descriptors one may have. */
  readonly parts: number
}

export interface ManifestPart {
  readonly kind: 'config' | 'layer' | 'manifest'
  readonly digest: OciDigest
  readonly sizeBytes: number
  readonly mediaType: string
  /** Lies elsewhere, at URLs that the descriptor gives: the image needn't have it. */
  readonly isForeign: boolean
}

export interface Manifest {
  readonly mediaType: string
  /** A list of others. */
  readonly isIndex: boolean
  /** In the order in which they stand. */
  readonly parts: readonly ManifestPart[]
  readonly subject: OciDigest | null
  /** As referrers are listed by it; null: none. */
  readonly artifactType: string | null
  readonly annotations: Readonly<Record<string, string>> | null
}

const jsonLimits = { depth: 32, marks: 150_000 }

type Fields = Readonly<Record<string, unknown>>

/** @param contentType the header as it came. InputError 'manifest-invalid', 'manifest-large' */
export function parseManifest(bytes: Uint8Array, contentType: string | undefined, limits: ManifestLimits): Manifest {
  if (bytes.length > limits.bytes) throw ociError('manifest-large', `A manifest has at most ${limits.bytes} bytes`)
  const value = parseJsonText(bytes, jsonLimits)
  if (!isFields(value)) throw invalid('it must be a JSON object')
  assertSpelling(value, 'the manifest')
  const mediaType = mediaTypeIn(value, contentType)
  const isList = assertShape(value, mediaType)
  const parts = partsOf(value, limits.parts)
  const config = parts.find(({ kind }) => kind === 'config')
  const artifactType = text(value, 'artifactType') || (isList ? '' : (config?.mediaType ?? ''))
  return {
    mediaType,
    isIndex: isList,
    parts,
    subject:
      value['subject'] === undefined || value['subject'] === null ? null : descriptor(value['subject'], 'subject', 'manifest').digest,
    artifactType: artifactType === '' ? null : artifactType,
    annotations: annotationsOf(value),
  }
}

/** What it says itself and what its Content-Type says must be the same; without either it is told by what it has. */
function mediaTypeIn(value: Fields, contentType: string | undefined): string {
  const own = text(value, 'mediaType')
  const header = mediaTypeOf(contentType)
  if (own !== '' && mediaTypeOf(own) === null) throw invalid('mediaType is no media type')
  if (own !== '' && header !== null && mediaTypeOf(own) !== header)
    throw invalid(`its mediaType is ${own}, and Content-Type says ${header}`)
  const found =
    own ||
    (header !== null && !isAnything(header) ? header : '') ||
    (hasValue(value, 'manifests') ? ociIndex : hasValue(value, 'layers') ? ociManifest : '')
  if (found === '') throw invalid('neither Content-Type nor mediaType says what it is')
  if (isSchema1(found)) throw invalid('schema 1 is not taken: push it with a client of this decade')
  return found
}

/** Whether it is an index. What it isn't supposed to have is refused, also of media types that nobody knows here. */
function assertShape(value: Fields, mediaType: string): boolean {
  const { schemaVersion } = value
  if ((isIndex(mediaType) || isManifest(mediaType)) && schemaVersion !== undefined && schemaVersion !== 2)
    throw invalid('schemaVersion must be 2')
  const isList = hasValue(value, 'manifests')
  const other = ['layers', 'config', 'blobs', 'fsLayers'].find((field) => hasValue(value, field))
  // to others an empty list of manifests makes it an index as well
  if (Array.isArray(value['manifests']) && other !== undefined)
    throw invalid(`it has both manifests and ${other}: no two clients would read it alike`)
  if (isIndex(mediaType) && other !== undefined) throw invalid(`an index has no ${other}`)
  if (isManifest(mediaType) && isList) throw invalid('an image has no manifests: that is an index')
  if (hasValue(value, 'fsLayers')) throw invalid('fsLayers belongs to schema 1')
  return isIndex(mediaType) || isList
}

function partsOf(value: Fields, most: number): ManifestPart[] {
  const found: ManifestPart[] = []
  if (hasValue(value, 'config')) found.push(descriptor(value['config'], 'config', 'config'))
  for (const [field, kind] of [
    ['layers', 'layer'],
    ['blobs', 'layer'],
    ['manifests', 'manifest'],
  ] as const) {
    const list = value[field]
    if (list === undefined || list === null) continue
    if (!Array.isArray(list)) throw invalid(`${field} must be a list`)
    if (found.length + list.length > most) throw invalid(`it names more than ${most} parts`)
    for (const [at, one] of list.entries()) found.push(descriptor(one, `${field}[${at}]`, kind))
  }
  // a sum of safe integers that isn't one itself is never rounded down to one
  if (found.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) > Number.MAX_SAFE_INTEGER)
    throw invalid('its sizes add up to more than 2^53 − 1')
  return found
}

function descriptor(value: unknown, where: string, kind: ManifestPart['kind']): ManifestPart {
  if (!isFields(value)) throw invalid(`${where} must be a descriptor`)
  assertSpelling(value, where)
  const digest = parseDigest(text(value, 'digest'))
  if (digest === null) throw invalid(`${where} has no digest that is taken here: sha256 or sha512`)
  const { size, urls } = value
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) throw invalid(`${where} must have a size in bytes`)
  if (urls !== undefined && urls !== null && !(Array.isArray(urls) && urls.every((url) => typeof url === 'string')))
    throw invalid(`urls of ${where} must be a list of texts`)
  return { kind, digest, sizeBytes: size, mediaType: text(value, 'mediaType'), isForeign: Array.isArray(urls) && urls.length > 0 }
}

function annotationsOf(value: Fields): Record<string, string> | null {
  const { annotations } = value
  if (annotations === undefined || annotations === null) return null
  if (!isFields(annotations)) throw invalid('annotations must be an object')
  for (const [key, one] of Object.entries(annotations)) {
    if (typeof one !== 'string' || !isPlain(one) || !isPlain(key)) throw invalid(`the annotation ${key.slice(0, 80)} must be a text`)
  }
  return annotations as Record<string, string>
}

/** A text of it, at most as long as a media type; empty where it has none. */
function text(value: Fields, field: string): string {
  const found = value[field] ?? ''
  if (typeof found !== 'string' || found.length > 512 || !isPlain(found)) throw invalid(`${field} must be a text`)
  return found
}

/** What PostgreSQL can keep, and others can read: no NUL, no half of a character. */
function isPlain(found: string): boolean {
  return found.isWellFormed() && !found.includes('\0')
}

/** `null` and an empty list are what programs write for nothing. */
function hasValue(value: Fields, field: string): boolean {
  const found = value[field]
  return found !== undefined && found !== null && !(Array.isArray(found) && found.length === 0)
}

const knownFields = [
  'schemaVersion',
  'mediaType',
  'artifactType',
  'config',
  'layers',
  'blobs',
  'manifests',
  'subject',
  'annotations',
  'fsLayers',
  'digest',
  'size',
  'urls',
  'data',
  'platform',
]
const spelled = new Map(knownFields.map((field) => [fold(field), field]))

/** Go's JSON takes keys in any case of letters: then two clients see two manifests. */
function assertSpelling(value: Fields, where: string): void {
  for (const key of Object.keys(value)) {
    const known = key.length <= 16 ? spelled.get(fold(key)) : undefined
    if (known !== undefined && known !== key) throw invalid(`${where} spells ${known} as ${key}`)
  }
}

/** As Go does it: also the Kelvin sign is a K, and the long s an S. */
function fold(key: string): string {
  return key.toLowerCase().toUpperCase()
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function invalid(message: string) {
  return ociError('manifest-invalid', `The manifest is refused: ${message}`)
}
