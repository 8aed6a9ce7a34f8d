// What a manifest's own bytes say of its parts, read with goodwill: they were checked when they came. Pure.
import { asBuffer } from '../../base/index.ts'

export interface Platform {
  readonly os: string
  readonly architecture: string
  readonly variant: string | null
  readonly osVersion: string | null
}

export interface Descriptor {
  readonly digest: string
  readonly mediaType: string
  readonly sizeBytes: number
  readonly platform: Platform | null
  readonly annotations: Readonly<Record<string, string>>
}

export interface ManifestFacts {
  readonly kind: 'index' | 'image' | 'artifact'
  readonly annotations: Readonly<Record<string, string>>
  readonly config: Descriptor | null
  readonly layers: readonly Descriptor[]
  readonly manifests: readonly Descriptor[]
}

export type Json = Readonly<Record<string, unknown>>

const imageConfigs = new Set(['application/vnd.oci.image.config.v1+json', 'application/vnd.docker.container.image.v1+json'])

export function readManifest(bytes: Uint8Array): ManifestFacts {
  const value = readJson(bytes)
  const config = descriptorOf(value.config)
  const manifests = descriptorsOf(value.manifests)
  const layers = [...descriptorsOf(value.layers), ...descriptorsOf(value.blobs)]
  const isImage = config !== null && imageConfigs.has(config.mediaType) && textOf(value.artifactType) === null
  const kind = Array.isArray(value.manifests) ? 'index' : isImage ? 'image' : 'artifact'
  return { kind, annotations: annotationsOf(value.annotations), config, layers, manifests }
}

/** An object; empty where the bytes hold none. */
export function readJson(bytes: Uint8Array): Json {
  try {
    return objectOf(JSON.parse(asBuffer(bytes).toString('utf8')))
  } catch {
    return {}
  }
}

export function objectOf(value: unknown): Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {}
}

export function textOf(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null
}

function descriptorsOf(value: unknown): Descriptor[] {
  return (Array.isArray(value) ? value : []).flatMap((one) => descriptorOf(one) ?? [])
}

function descriptorOf(value: unknown): Descriptor | null {
  const { digest, mediaType, size, platform, annotations } = objectOf(value)
  if (typeof digest !== 'string') return null
  return {
    digest,
    mediaType: textOf(mediaType) ?? '',
    sizeBytes: typeof size === 'number' ? size : 0,
    platform: platformOf(platform),
    annotations: annotationsOf(annotations),
  }
}

/** Of a descriptor, or of an image's configuration, which says the same in the same words. */
export function platformOf(value: unknown): Platform | null {
  const fields = objectOf(value)
  const [os, architecture] = [textOf(fields.os), textOf(fields.architecture)]
  if (os === null || architecture === null) return null
  return { os, architecture, variant: textOf(fields.variant), osVersion: textOf(fields['os.version']) }
}

/** `linux/arm64/v8` */
export function platformText({ os, architecture, variant }: Platform): string {
  return [os, architecture, ...(variant === null ? [] : [variant])].join('/')
}

function annotationsOf(value: unknown): Record<string, string> {
  return Object.fromEntries(Object.entries(objectOf(value)).filter((entry): entry is [string, string] => typeof entry[1] === 'string'))
}
