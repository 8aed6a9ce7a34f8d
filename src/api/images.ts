// /images/{owner}/{image}: what an image is, its tags, how it is pulled. Stemma's own; docs/design/packages-api.md.
import Type from 'typebox'
import { actorOf, packageFullName, packageOf, readablePackages } from '../access/index.ts'
import { notFound, type Routes } from '../http/index.ts'
import { countTags, imagePulls, imageSizes, listTags, untag } from '../oci/index.ts'
import { roomOf } from '../packages/index.ts'
import { originOf, timeJson } from './documents.ts'
import { imageErrors, imageTags, manifestOf, onImage, told } from './image-call.ts'
import { ImageUrls, tagJson } from './image-documents.ts'
import { registerImageFiles } from './image-files.ts'
import { registerImageManifests } from './image-manifests.ts'
import { ImageJson, ImageParams, PullsJson, PullsQuery, TagJson, TagParams } from './image-schemas.ts'
import type { ApiOptions } from './index.ts'
import { PackageUrls } from './package-documents.ts'
import { pageOf, tellPages } from './paging.ts'
import { PageQuery } from './people-schemas.ts'

const url = '/images/:owner/:image'

export function registerImages(routes: Routes, options: ApiOptions): void {
  registerSummary(routes, options)
  registerTags(routes, options)
  registerPulls(routes, options)
  registerImageManifests(routes, options, url)
  registerImageFiles(routes, options, url)
}

function registerSummary(routes: Routes, options: ApiOptions): void {
  const { queries } = options.db
  const schema = {
    tags: imageTags,
    summary: 'An image: how many versions and tags, how large, how often it is pulled (Stemma’s own)',
    params: ImageParams,
    response: { 200: ImageJson, ...imageErrors },
  }
  routes.get(url, { config: onImage('package:read'), schema }, async (request): Promise<ImageJson> => {
    const one = packageOf(request)
    const { id, ownerId, format, name, visibility } = one
    const others = await readablePackages(queries, request.identity, { ownerId, format })
    const [sizes, tags, pulls] = await Promise.all([
      imageSizes(queries, id, others),
      countTags(queries, id),
      imagePulls(queries, id, 30, null),
    ])
    const urls = new ImageUrls(request, options, one)
    return {
      name,
      full_name: packageFullName(one),
      visibility,
      url: urls.api,
      package_url: new PackageUrls(originOf(request, options.publicUrl), roomOf(options.packageFormats, one), one).api,
      tags_url: `${urls.api}/tags`,
      tags,
      versions: sizes.manifestCount,
      size: {
        blobs: sizes.blobCount,
        blob_bytes: sizes.blobBytes,
        manifests: sizes.manifestCount,
        manifest_bytes: sizes.manifestBytes,
        shared_blobs: sizes.sharedCount,
        shared_bytes: sizes.sharedBytes,
        own_bytes: sizes.blobBytes - sizes.sharedBytes,
      },
      pulls: { last_30_days: pulls.total },
      created_at: timeJson(one.createdAt),
      updated_at: timeJson(one.updatedAt),
    }
  })
}

function registerTags(routes: Routes, options: ApiOptions): void {
  const { queries } = options.db
  const list = {
    tags: imageTags,
    summary: 'Tags of an image, by name (Stemma’s own)',
    params: ImageParams,
    querystring: PageQuery,
    response: { 200: Type.Array(TagJson), ...imageErrors },
  }
  routes.get(`${url}/tags`, { config: onImage('package:read'), schema: list }, async (request, reply) => {
    const one = packageOf(request)
    const page = pageOf(request.query)
    const { tags, total } = await listTags(queries, one.id, page)
    tellPages(request, reply, options.publicUrl, page, total)
    const urls = new ImageUrls(request, options, one)
    return tags.map((tag) => tagJson(urls, tag))
  })

  const reading = {
    tags: imageTags,
    summary: 'A tag of an image (Stemma’s own)',
    params: TagParams,
    response: { 200: TagJson, ...imageErrors },
  }
  routes.get(`${url}/tags/:tag`, { config: onImage('package:read'), schema: reading }, async (request) => {
    const one = packageOf(request)
    const { tags } = await listTags(queries, one.id, { page: 1, perPage: 1, name: request.params.tag })
    const [tag] = tags
    if (tag === undefined) throw notFound()
    return tagJson(new ImageUrls(request, options, one), tag)
  })

  const deletion = {
    tags: imageTags,
    summary: 'Takes a tag away; the manifest stays (Stemma’s own)',
    params: TagParams,
    response: { 204: Type.Null(), ...imageErrors },
  }
  routes.delete(`${url}/tags/:tag`, { config: onImage('package:delete'), schema: deletion }, async (request, reply) => {
    if (!(await told(untag(options.db, packageOf(request), request.params.tag, actorOf(request))))) throw notFound()
    return reply.code(204).send(null)
  })
}

function registerPulls(routes: Routes, options: ApiOptions): void {
  const schema = {
    tags: imageTags,
    summary: 'How often an image was pulled, by day (Stemma’s own)',
    params: ImageParams,
    querystring: PullsQuery,
    response: { 200: PullsJson, ...imageErrors },
  }
  routes.get(`${url}/pulls`, { config: onImage('package:read'), schema }, async (request) => {
    const { days = 30, reference } = request.query
    const digest = reference === undefined ? null : await manifestOf(options, request, reference)
    const pulls = await imagePulls(options.db.queries, packageOf(request).id, days, digest)
    return { total: pulls.total, days: pulls.days.map(({ day, pullCount }) => ({ day, pulls: pullCount })) }
  })
}
