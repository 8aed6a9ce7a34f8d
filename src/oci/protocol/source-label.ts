// The repository that an image comes from, as its label or annotation `org.opencontainers.image.source` says: the image is linked to it, where it is one of
// this server and of the same owner, and whoever pushed may write there. Behind the push's answer; what somebody has set by hand stays.
import type { FastifyRequest } from 'fastify'
import { actorOf, type Package } from '../../access/index.ts'
import { concatBytes, fromUtf8 } from '../../base/index.ts'
import { sentOrigin } from '../../http/index.ts'
import { isUnlinked, linkToSource } from '../../packages/index.ts'
import { type Blob, findBlob } from '../blob-rows.ts'
import type { Manifest } from '../format/manifest.ts'
import { inBackground, type Registry } from '../registry.ts'

/** image-spec, annotations.md */
const sourceLabel = 'org.opencontainers.image.source'
/** Of an image's configuration; larger ones aren't looked into. */
const mostConfigBytes = 1024 * 1024

/** Begins it where the image has no link yet. */
export function linkBySource(registry: Registry, request: FastifyRequest, one: Package, manifest: Manifest): void {
  if (!isUnlinked(one) || manifest.isIndex) return
  const annotation = manifest.annotations?.[sourceLabel]
  const config = manifest.parts.find(({ kind }) => kind === 'config')
  if (annotation === undefined && (config === undefined || config.sizeBytes > mostConfigBytes)) return
  const options = { origins: [registry.publicUrl, sentOrigin(request)], actor: actorOf(request), identity: request.identity }
  inBackground(registry, 'linking an image', async () => {
    const source = annotation ?? (await labelIn(registry, one, config))
    if (typeof source === 'string') await linkToSource(registry.db, one, source, options)
  })
}

async function labelIn(registry: Registry, one: Package, config: Manifest['parts'][number] | undefined): Promise<unknown> {
  if (config === undefined) return null
  const blob = await findBlob(registry.db, one.id, config.digest)
  if (blob === null || blob.sizeBytes > mostConfigBytes) return null
  const bytes = await bytesOf(registry, blob)
  if (bytes === null) return null
  try {
    const value = JSON.parse(fromUtf8(bytes)) as { config?: { Labels?: Record<string, unknown> } } | null
    return value?.config?.Labels?.[sourceLabel] ?? null
  } catch {
    return null // of an artifact: anything
  }
}

async function bytesOf(registry: Registry, blob: Blob): Promise<Uint8Array | null> {
  if (blob.sizeBytes <= registry.smallBlobs.mostBytes) return registry.smallBlobs.get(blob.content)
  const content = await registry.store.get(blob.content)
  if (content === null) return null
  const pieces: Uint8Array[] = []
  for await (const piece of content.bytes) pieces.push(piece)
  return concatBytes(pieces)
}
