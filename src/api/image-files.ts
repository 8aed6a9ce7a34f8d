// Files of layers and of images, and what differs between the files of two: Stemma's own. Layers are read when they are first asked for; where that takes long the
// answer is 202, and the same question later has one.
import type { FastifyRequest } from 'fastify'
import { packageOf } from '../access/index.ts'
import type { Routes } from '../http/index.ts'
import { type Layer, parseDigestBytes, storedBlobs } from '../oci/index.ts'
import Type from 'typebox'
import { filePageOf, orUnread, partOf, sendFile } from './file-answers.ts'
import { fileErrors, imageTags, ofCaller, onImage, openImage } from './image-call.ts'
import { diffJson, fileJson, imageFileJson } from './image-documents.ts'
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
import { tellPages } from './paging.ts'

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
      const told = diffJson(diff)
      tellPages(request, reply, publicUrl, page, told.total)
      return { base: oldImage.digest, head: newImage.digest, ...told }
    })
  })
}
