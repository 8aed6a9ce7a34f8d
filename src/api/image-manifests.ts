// /images/{owner}/{image}/manifests/{reference}: a manifest with what hangs together with it, its platforms, how it came to be. Stemma's own.
import Type from 'typebox'
import { type PackageId, packageOf } from '../access/index.ts'
import { notFound, type Routes } from '../http/index.ts'
import {
  assertShallow,
  blobBytes,
  digestText,
  imageHistory,
  listReferrers,
  manifestTree,
  parseDigestBytes,
  plainImage,
  platformOf,
  readJson,
  storedBlobs,
  totalBytes,
  type PlainImage,
} from '../oci/index.ts'
import { imageErrors, imageTags, manifestOf, onImage, told } from './image-call.ts'
import { descriptorJson, ImageUrls, listedJson, manifestJson, manifestRowJson } from './image-documents.ts'
import {
  HistoryJson,
  ManifestParams,
  ManifestTreeJson,
  PlatformQuery,
  PlatformsJson,
  ReferrerJson,
  ReferrersQuery,
} from './image-schemas.ts'
import type { ApiOptions } from './index.ts'
import { pageOf, tellPages } from './paging.ts'

/** Of an image's configuration. */
const largestConfig = 4 << 20
const deepestConfig = 100

export function registerImageManifests(routes: Routes, options: ApiOptions, imageUrl: string): void {
  const url = `${imageUrl}/manifests/:reference`
  const { queries } = options.db
  const config = onImage('package:read')

  const tree = {
    tags: imageTags,
    summary: 'A manifest with all below it, and what refers to each (Stemma’s own)',
    params: ManifestParams,
    response: { 200: ManifestTreeJson, ...imageErrors },
  }
  routes.get(url, { config, schema: tree }, async (request) => {
    const { id } = packageOf(request)
    const root = await manifestOf(options, request, request.params.reference)
    const [found, totals] = await Promise.all([manifestTree(queries, id, root), totalBytes(queries, id, [root])])
    if (found === null) throw notFound()
    const digest = digestText(root)
    const manifests = found.manifests.map(manifestJson)
    return { digest, total_bytes: totals.get(digest) ?? 0, truncated: found.isTruncated, manifests }
  })

  const platforms = {
    tags: imageTags,
    summary: 'For which platforms there is an image (Stemma’s own)',
    params: ManifestParams,
    response: { 200: PlatformsJson, ...imageErrors },
  }
  routes.get(`${url}/platforms`, { config, schema: platforms }, async (request) => {
    const root = await manifestOf(options, request, request.params.reference)
    return told(platformsOf(options, packageOf(request).id, root))
  })

  const referrers = {
    tags: imageTags,
    summary: 'What refers to a manifest: signatures, SBOMs and whatever else (Stemma’s own)',
    params: ManifestParams,
    querystring: ReferrersQuery,
    response: { 200: Type.Array(ReferrerJson), ...imageErrors },
  }
  routes.get(`${url}/referrers`, { config, schema: referrers }, async (request, reply) => {
    const { artifact_type: artifactType, ...query } = request.query
    const { reference } = request.params
    // a subject may be named before it is there
    const subject = parseDigestBytes(reference) ?? (await manifestOf(options, request, reference))
    const page = pageOf(query)
    const { manifests, total } = await listReferrers(queries, packageOf(request).id, subject, { ...page, artifactType })
    tellPages(request, reply, options.publicUrl, page, total)
    return manifests.map((manifest) => manifestRowJson(manifest, manifest.annotations))
  })
  registerConfig(routes, options, url)
}

function registerConfig(routes: Routes, options: ApiOptions, url: string): void {
  const { queries } = options.db
  const config = onImage('package:read')
  const common = { tags: imageTags, params: ManifestParams, querystring: PlatformQuery }
  const history = {
    ...common,
    summary: 'How an image was built, step by step, with the layer of each (Stemma’s own)',
    response: { 200: HistoryJson, ...imageErrors },
  }
  routes.get(`${url}/history`, { config, schema: history }, async (request) => {
    const one = packageOf(request)
    const root = await manifestOf(options, request, request.params.reference)
    const image = await told(plainImage(queries, one.id, root, request.query.platform ?? null))
    const steps = imageHistory(await told(configOf(options, one.id, image)), image.layers)
    const urls = new ImageUrls(request, options, one)
    return steps.map(({ createdAt, createdBy, comment, author, layer }) => ({
      created_at: createdAt,
      created_by: createdBy,
      comment,
      author,
      layer: layer && { ...descriptorJson(layer), diff_id: layer.diffId, files_url: urls.files(layer.digest) },
    }))
  })

  const reading = {
    ...common,
    summary: 'An image’s configuration, as it was pushed (Stemma’s own)',
    response: { 200: Type.Object({}), ...imageErrors },
  }
  routes.get(`${url}/config`, { config, schema: reading }, async (request) => {
    const { id } = packageOf(request)
    const root = await manifestOf(options, request, request.params.reference)
    const image = await told(plainImage(queries, id, root, request.query.platform ?? null))
    return readJson(await told(configOf(options, id, image)))
  })
}

/** Of an index what it says, of an image what its configuration says. */
async function platformsOf(options: ApiOptions, id: PackageId, root: Uint8Array) {
  const { queries } = options.db
  const tree = await manifestTree(queries, id, root)
  const [top] = tree?.manifests ?? []
  if (top === undefined) throw notFound()
  if (top.kind !== 'index') {
    const { digest, mediaType, sizeBytes, annotations } = top
    const said = top.kind === 'image' ? platformOf(readJson(await configOf(options, id, top))) : null
    const totals = await totalBytes(queries, id, [root])
    const listed = listedJson({ digest, mediaType, sizeBytes, annotations, platform: said })
    return [{ ...listed, total_bytes: totals.get(digest) ?? null }]
  }
  const digests = top.manifests.flatMap(({ digest }) => parseDigestBytes(digest) ?? [])
  const totals = await totalBytes(queries, id, digests)
  return top.manifests.map((listed) => ({ ...listedJson(listed), total_bytes: totals.get(listed.digest) ?? null }))
}

/** InputError `no-such-blob`, `too-large`, `too-deep`. */
async function configOf({ db, imageStore }: ApiOptions, id: PackageId, { config }: Pick<PlainImage, 'config'>): Promise<Uint8Array> {
  if (config === null) return new Uint8Array()
  const [blob] = await storedBlobs(db.queries, id, [config.digest])
  if (blob === undefined) return new Uint8Array()
  const bytes = await blobBytes(imageStore, blob, largestConfig)
  assertShallow(bytes, deepestConfig)
  return bytes
}
