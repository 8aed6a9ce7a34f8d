// Files of layers and of images, and what differs between the files of two: Stemma's own. Layers are read when they are first asked for; where that takes long the
// answer is 202, and the same question later has one.
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Readable } from 'node:stream'
import { packageOf } from '../access/index.ts'
import type { Routes } from '../http/index.ts'
import { type FilePlace, type Layer, parseDigestBytes, storedBlobs } from '../oci/index.ts'
import Type from 'typebox'
import { fileErrors, imageTags, isUnread, ofCaller, onImage, openImage, told } from './image-call.ts'
import { fileJson, imageFileJson, recordJson } from './image-documents.ts'
import {
  DiffJson,
  DiffQuery,
  FileQuery,
  ImageFileQuery,
  ImageFilesJson,
  ImageFilesQuery,
  ImageParams,
  LayerFilesJson,
  LayerFilesQuery,
  LayerParams,
  ManifestParams,
} from './image-schemas.ts'
import type { ApiOptions } from './index.ts'
import { notFound } from '../http/index.ts'
import { type Page, tellPages } from './paging.ts'

export function registerImageFiles(routes: Routes, options: ApiOptions, imageUrl: string): void {
  registerLayers(routes, options, `${imageUrl}/layers/:digest`)
  registerFileSystem(routes, options, `${imageUrl}/manifests/:reference`)
  registerDiff(routes, options, `${imageUrl}/compare`)
}

function registerLayers(routes: Routes, options: ApiOptions, url: string): void {
  const { layerFiles, publicUrl } = options
  const config = onImage('package:read')
  const list = {
    tags: imageTags,
    summary: 'What a layer holds, and what it hides of those below (Stemma’s own)',
    params: LayerParams,
    querystring: LayerFilesQuery,
    response: { 200: LayerFilesJson, ...fileErrors },
  }
  routes.get(`${url}/files`, { config, schema: list }, async (request, reply) => {
    const { digest } = request.params
    const page = filePageOf(request.query)
    const { below = '' } = request.query
    return orUnread(reply, async () => {
      const [memory] = await layerFiles.lists([await layerOf(options, request, digest)], ofCaller(request))
      const found = await layerFiles.ask('layerRows', { list: memory as SharedArrayBuffer, below, ...partOf(page) })
      tellPages(request, reply, publicUrl, page, found.total)
      const files = found.rows.map((row) => ({ type: row.type, ...fileJson(row) }))
      return { digest, total: found.total, total_bytes: found.totalBytes, files }
    })
  })

  const reading = {
    tags: imageTags,
    summary: 'The bytes of one file of a layer (Stemma’s own)',
    params: LayerParams,
    querystring: FileQuery,
    response: { 200: Type.Unknown(), ...fileErrors },
  }
  routes.get(`${url}/file`, { config, schema: reading }, async (request, reply) =>
    orUnread(reply, async () => {
      const layer = await layerOf(options, request, request.params.digest)
      const [memory] = await layerFiles.lists([layer], ofCaller(request))
      const place = await layerFiles.ask('layerFile', { list: memory as SharedArrayBuffer, path: request.query.path })
      return sendFile(options, request, reply, layer, place)
    }),
  )
}

/** Refusal 404 for what is no blob of the image. */
async function layerOf({ db }: ApiOptions, request: FastifyRequest, digest: string): Promise<Layer> {
  if (parseDigestBytes(digest) === null) throw notFound()
  const [layer] = await storedBlobs(db.queries, packageOf(request).id, [digest])
  return layer as Layer
}

function registerFileSystem(routes: Routes, options: ApiOptions, url: string): void {
  const { layerFiles, publicUrl } = options
  const config = onImage('package:read')
  const list = {
    tags: imageTags,
    summary: 'What stands at a path of an image, all its layers together (Stemma’s own)',
    params: ManifestParams,
    querystring: ImageFilesQuery,
    response: { 200: ImageFilesJson, ...fileErrors },
  }
  routes.get(`${url}/files`, { config, schema: list }, async (request, reply) => {
    const { path = '', follow: follows = false, platform } = request.query
    const page = filePageOf(request.query)
    return orUnread(reply, async () => {
      const image = await openImage(options, request, request.params.reference, platform)
      const lists = await layerFiles.lists(image.stored, ofCaller(request))
      const found = await layerFiles.ask('imageFolder', { lists, path, follows, ...partOf(page) })
      tellPages(request, reply, publicUrl, page, found.total)
      const layers = image.layers.map(({ digest }) => digest)
      const entries = found.entries.map((entry) => imageFileJson(entry, layers))
      return { digest: image.digest, file: imageFileJson(found.file, layers), total: found.total, entries }
    })
  })

  const reading = {
    tags: imageTags,
    summary: 'The bytes of one file of an image; links are followed (Stemma’s own)',
    params: ManifestParams,
    querystring: ImageFileQuery,
    response: { 200: Type.Unknown(), ...fileErrors },
  }
  routes.get(`${url}/file`, { config, schema: reading }, async (request, reply) => {
    const { path, platform } = request.query
    return orUnread(reply, async () => {
      const image = await openImage(options, request, request.params.reference, platform)
      const lists = await layerFiles.lists(image.stored, ofCaller(request))
      const place = await layerFiles.ask('imageFile', { lists, path })
      return sendFile(options, request, reply, image.stored[place.layer] as Layer, place)
    })
  })
}

function registerDiff(routes: Routes, options: ApiOptions, url: string): void {
  const { layerFiles, publicUrl } = options
  const schema = {
    tags: imageTags,
    summary: 'Which files differ between two tags or digests of an image (Stemma’s own)',
    params: ImageParams,
    querystring: DiffQuery,
    response: { 200: DiffJson, ...fileErrors },
  }
  routes.get(url, { config: onImage('package:read'), schema }, async (request, reply) => {
    const { base, head, path = '', platform } = request.query
    const page = filePageOf(request.query)
    return orUnread(reply, async () => {
      const [old, fresh] = await Promise.all([base, head].map((reference) => openImage(options, request, reference, platform)))
      const oldImage = old as NonNullable<typeof old>
      const newImage = fresh as NonNullable<typeof fresh>
      const [before, after] = await Promise.all([
        layerFiles.lists(oldImage.stored, ofCaller(request)),
        layerFiles.lists(newImage.stored, ofCaller(request)),
      ])
      const diff = await layerFiles.ask('diff', { before, after, path, ...partOf(page) })
      const total = diff.added + diff.removed + diff.changed
      tellPages(request, reply, publicUrl, page, total)
      const { added, removed, changed, grownBytes } = diff
      const files = diff.changes.map((change) => ({
        path: change.path,
        status: change.status,
        differs: [...change.differs],
        before: change.before && recordJson(change.before),
        after: change.after && recordJson(change.after),
      }))
      return { base: oldImage.digest, head: newImage.digest, added, removed, changed, grown_bytes: grownBytes, total, files }
    })
  })
}

/** As `pageOf`, with longer pages: files are many and short. */
function filePageOf({ page = 1, per_page: perPage = 30 }: { readonly page?: number; readonly per_page?: number }): Page {
  return { page: Math.min(Math.max(page, 1), 1_000_000), perPage: Math.min(Math.max(perPage, 1), 1000) }
}

function partOf({ page, perPage }: Page): { readonly skip: number; readonly most: number } {
  return { skip: (page - 1) * perPage, most: perPage }
}

/** 202 where layers are still being read. */
async function orUnread<T>(reply: FastifyReply, answer: () => Promise<T>): Promise<T> {
  try {
    return await told(answer())
  } catch (error) {
    if (!isUnread(error)) throw error
    return reply.code(202).header('retry-after', '5').send({ message: error.message }) as never
  }
}

/** A file's bytes as they are: never as a page of this host's. */
function sendFile({ layerFiles }: ApiOptions, request: FastifyRequest, reply: FastifyReply, layer: Layer, place: FilePlace) {
  const tag = `"${Buffer.from(place.sha256).toString('hex')}"`
  reply.header('etag', tag)
  if ((request.headers['if-none-match'] ?? '').split(',').some((known) => known.trim().replace(/^W\//, '') === tag)) {
    return reply.code(304).send() as never
  }
  return reply
    .type('application/octet-stream')
    .header('content-length', place.sizeBytes)
    .header('x-content-type-options', 'nosniff')
    .header('content-security-policy', "default-src 'none'; sandbox")
    .send(Readable.from(layerFiles.read(layer, place, ofCaller(request)))) as never
}
