// The image that a tag or digest leads to, for one platform, and where its configuration and layers are stored.
import type { PackageId } from '../../access/index.ts'
import { InputError, UnavailableError } from '../../base/index.ts'
import { type Queries, sql } from '../../db/index.ts'
import { type ContentStore, digestOf } from '../../store/index.ts'
import { digestText, parseDigestBytes } from '../format/digests.ts'
import type { Layer } from './layer-files.ts'
import { type Descriptor, type ManifestFacts, platformText, readManifest } from './manifest-json.ts'

/** A manifest that is no index. */
export interface PlainImage extends ManifestFacts {
  readonly digest: string
}

/** An index in an index in an index … */
const deepest = 5
const unknownPlatform = 'unknown/unknown'

/**
 * @param root a manifest that the image has
 * @param platform as `linux/arm64` or `linux/arm/v7`; null: `linux/amd64` where there is one, else the first
 * InputError `no-such-platform`; `no-such-manifest` where an index names one that the image hasn't.
 */
export async function plainImage(queries: Queries, image: PackageId, root: Uint8Array, platform: string | null): Promise<PlainImage> {
  let digest = root
  for (let depth = 0; depth < deepest; depth++) {
    const row = await queries
      .selectFrom('oci_manifest')
      .select('bytes')
      .where('package_id', '=', image)
      .where('digest', '=', digest)
      .executeTakeFirst()
    if (row === undefined) throw new InputError('no-such-manifest', `the image does not have ${digestText(digest)}`)
    const facts = readManifest(row.bytes)
    if (facts.kind !== 'index') return { ...facts, digest: digestText(digest) }
    digest = parseDigestBytes(chosen(facts.manifests, platform).digest) ?? digest
  }
  throw new InputError('no-such-manifest', `indexes stand in each other more than ${deepest} deep`)
}

function chosen(manifests: readonly Descriptor[], platform: string | null): Descriptor {
  const named = manifests.flatMap((one) => (one.platform === null ? [] : [{ one, name: platformText(one.platform) }]))
  const real = named.filter(({ name }) => !name.startsWith(unknownPlatform))
  const matching = (wanted: string) => real.find(({ name }) => name === wanted || name.startsWith(`${wanted}/`))?.one
  // an index in an index often says no platform
  const found =
    platform === null
      ? (matching('linux/amd64') ?? real[0]?.one ?? manifests[0])
      : (matching(platform) ?? (real.length === 0 ? manifests[0] : undefined))
  if (found !== undefined) return found
  const known = [...new Set(real.map(({ name }) => name))].slice(0, 50).join(', ')
  throw new InputError('no-such-platform', known === '' ? 'the index is empty' : `there is no image for ${platform}; there are: ${known}`)
}

/** Blobs of the image with where they are stored, in the order of the digests. InputError `no-such-blob` where one is missing, or lies elsewhere. */
export async function storedBlobs(queries: Queries, image: PackageId, digests: readonly string[]): Promise<Layer[]> {
  const wanted = digests.map((text) => parseDigestBytes(text) ?? new Uint8Array())
  const rows = await queries
    .selectFrom('oci_blob')
    .select(['digest', 'content', 'size_bytes'])
    .where('package_id', '=', image)
    .where('digest', '=', sql<Uint8Array>`any(${wanted}::bytea[])`)
    .execute()
  const known = new Map(rows.map((row) => [digestText(row.digest), { content: digestOf(row.content), sizeBytes: row.size_bytes }]))
  return digests.map((digest) => {
    const blob = known.get(digest)
    if (blob === undefined) throw new InputError('no-such-blob', `the image does not have ${digest}`)
    return blob
  })
}

/** A blob that is small. InputError `too-large`; UnavailableError where it has just been deleted. */
export async function blobBytes(store: Pick<ContentStore, 'get'>, { content, sizeBytes }: Layer, limitBytes: number): Promise<Uint8Array> {
  if (sizeBytes > limitBytes) throw new InputError('too-large', `it has more than ${limitBytes} bytes`)
  const open = await store.get(content)
  if (open === null) throw new UnavailableError('content-gone', 'the blob has just been deleted')
  const pieces: Uint8Array[] = []
  for await (const piece of open.bytes) pieces.push(new Uint8Array(piece))
  return Buffer.concat(pieces)
}
