// Images as documents: what rows and lists are in JSON.
import type { FastifyRequest } from 'fastify'
import type { Package } from '../access/index.ts'
import type { Descriptor, ImageDiff, ImageFile, LayerRecord, ManifestRow, Platform, TagRow, TreeManifest } from '../oci/index.ts'
import { platformText } from '../oci/index.ts'
import { originOf, timeJson } from './documents.ts'
import type { ImageFileJson, ManifestJson, PlatformJson, ReferrerJson, TagJson } from './image-schemas.ts'
import type { ApiOptions } from './index.ts'

/** Every URL of an image. */
export class ImageUrls {
  readonly api: string

  constructor(request: FastifyRequest, { publicUrl }: Pick<ApiOptions, 'publicUrl'>, { ownerLogin, name }: Package) {
    this.api = `${originOf(request, publicUrl)}/api/v3/images/${ownerLogin}/${encodeURIComponent(name)}`
  }

  manifest(reference: string): string {
    return `${this.api}/manifests/${reference}`
  }

  files(layer: string): string {
    return `${this.api}/layers/${layer}/files`
  }
}

export function tagJson(urls: ImageUrls, tag: TagRow): TagJson {
  return {
    name: tag.name,
    digest: tag.digest,
    media_type: tag.mediaType,
    artifact_type: tag.artifactType,
    total_bytes: tag.totalBytes,
    manifest_url: urls.manifest(tag.digest),
    created_at: timeJson(tag.createdAt),
    updated_at: timeJson(tag.updatedAt),
    pulls: tag.pullCount,
    pulled_at: tag.pulledAt && timeJson(tag.pulledAt),
  }
}

export function manifestRowJson(row: ManifestRow, annotations: Readonly<Record<string, string>>): ReferrerJson {
  return {
    digest: row.digest,
    media_type: row.mediaType,
    artifact_type: row.artifactType,
    size_bytes: row.sizeBytes,
    version_id: row.id,
    tags: [...row.tags],
    pushed_at: timeJson(row.pushedAt),
    pulls: row.pullCount,
    pulled_at: row.pulledAt && timeJson(row.pulledAt),
    annotations: { ...annotations },
  }
}

export function manifestJson(manifest: TreeManifest): ManifestJson {
  const { config, layers, manifests, referrers } = manifest
  return {
    ...manifestRowJson(manifest, manifest.annotations),
    kind: manifest.kind,
    subject: manifest.subject,
    config: config && descriptorJson(config),
    layers: layers.map(descriptorJson),
    manifests: manifests.map(listedJson),
    referrers: [...referrers],
  }
}

export function descriptorJson({ digest, mediaType, sizeBytes, annotations }: Descriptor) {
  return { digest, media_type: mediaType, size_bytes: sizeBytes, annotations: { ...annotations } }
}

export function listedJson(descriptor: Descriptor) {
  const { platform } = descriptor
  return { ...descriptorJson(descriptor), platform: platform && platformJson(platform) }
}

export function platformJson(platform: Platform): PlatformJson {
  const { os, architecture, variant, osVersion } = platform
  return { name: platformText(platform), os, architecture, variant, os_version: osVersion }
}

export function fileJson({ path, mode, sizeBytes, link, sha256, gitBlob }: Omit<LayerRecord, 'type' | 'marks'>) {
  return { path, mode: mode.toString(8).padStart(4, '0'), size_bytes: sizeBytes, link, sha256, git_blob: gitBlob }
}

/** Of two images, or two archives. */
export function diffJson({ added, removed, changed, grownBytes, changes }: ImageDiff) {
  const files = changes.map(({ path, status, differs, before, after }) => {
    return { path, status, differs: [...differs], before: before && recordJson(before), after: after && recordJson(after) }
  })
  return { added, removed, changed, grown_bytes: grownBytes, total: added + removed + changed, files }
}

/** What is seen in an image is always something. */
function recordJson(record: LayerRecord) {
  return { type: record.type as ImageFileJson['type'], ...fileJson(record) }
}

/** @param layers of the image, by digest, the lowest first */
export function imageFileJson(file: ImageFile, layers: readonly string[]): ImageFileJson {
  return { ...recordJson(file), layer: layers[file.layer] ?? null }
}
