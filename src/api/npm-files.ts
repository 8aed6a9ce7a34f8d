// Files of npm versions, and what differs between two: a tarball is looked into as a layer of an image is.
import Type from 'typebox'
import type { Routes } from '../http/index.ts'
import { filePageOf, orUnread, partOf, sendFile } from './file-answers.ts'
import { fileErrors, ofCaller } from './image-call.ts'
import { diffJson, fileJson } from './image-documents.ts'
import { FileQuery, LayerFilesQuery } from './image-schemas.ts'
import type { ApiOptions } from './index.ts'
import { layerOf, npmTags, npmUrl, onNpm, versionOf } from './npm-call.ts'
import { NpmDiffJson, NpmDiffQuery, NpmFilesJson, NpmParams, NpmVersionParams } from './npm-schemas.ts'
import { tellPages } from './paging.ts'

export function registerNpmFiles(routes: Routes, options: ApiOptions): void {
  const { layerFiles, publicUrl } = options
  const config = onNpm('package:read')
  const url = `${npmUrl}/versions/:version`
  const list = {
    tags: npmTags,
    summary: 'What is in a version’s tarball (Stemma’s own)',
    params: NpmVersionParams,
    querystring: LayerFilesQuery,
    response: { 200: NpmFilesJson, ...fileErrors },
  }
  routes.get(`${url}/files`, { config, schema: list }, async (request, reply) => {
    const page = filePageOf(request.query)
    const { below = '' } = request.query
    const facts = await versionOf(options, request, request.params.version)
    return orUnread(reply, async () => {
      const [memory] = await layerFiles.lists([layerOf(facts)], ofCaller(request))
      const found = await layerFiles.ask('layerRows', { list: memory as SharedArrayBuffer, below, ...partOf(page) })
      tellPages(request, reply, publicUrl, page, found.total)
      const files = found.rows.map((row) => ({ type: row.type, ...fileJson(row) }))
      return { version: facts.version, total: found.total, total_bytes: found.totalBytes, files }
    })
  })

  const reading = {
    tags: npmTags,
    summary: 'The bytes of one file of a version (Stemma’s own)',
    params: NpmVersionParams,
    querystring: FileQuery,
    response: { 200: Type.Unknown(), ...fileErrors },
  }
  routes.get(`${url}/file`, { config, schema: reading }, async (request, reply) => {
    const layer = layerOf(await versionOf(options, request, request.params.version))
    return orUnread(reply, async () => {
      const [memory] = await layerFiles.lists([layer], ofCaller(request))
      const place = await layerFiles.ask('layerFile', { list: memory as SharedArrayBuffer, path: request.query.path })
      return sendFile(options, request, reply, layer, place)
    })
  })

  const comparing = {
    tags: npmTags,
    summary: 'Which files differ between two versions of an npm package (Stemma’s own)',
    params: NpmParams,
    querystring: NpmDiffQuery,
    response: { 200: NpmDiffJson, ...fileErrors },
  }
  routes.get(`${npmUrl}/compare`, { config, schema: comparing }, async (request, reply) => {
    const { base, head, path = '' } = request.query
    const page = filePageOf(request.query)
    const [old, fresh] = [await versionOf(options, request, base), await versionOf(options, request, head)]
    return orUnread(reply, async () => {
      const [before, after] = await Promise.all([old, fresh].map((one) => layerFiles.lists([layerOf(one)], ofCaller(request))))
      const diff = await layerFiles.ask('diff', { before: before ?? [], after: after ?? [], path, ...partOf(page) })
      const told = diffJson(diff)
      tellPages(request, reply, publicUrl, page, told.total)
      return { base: old.version, head: fresh.version, ...told }
    })
  })
}
