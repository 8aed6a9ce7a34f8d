// Versions of a package (GitHub REST "Packages"): of an image, its manifests, those without a tag, too. What was deleted is not shown, nor restored.
import Type from 'typebox'
import { actorOf } from '../access/index.ts'
import { notFound, type Routes } from '../http/index.ts'
import { roomOf } from '../packages/index.ts'
import { originOf } from './documents.ts'
import { told } from './image-call.ts'
import type { ApiOptions } from './index.ts'
import { PackageUrls, versionJson } from './package-documents.ts'
import { access, packageErrors, packageIn, type PackageOwner, packageTags } from './package-call.ts'
import { packageParams, VersionJson, VersionListQuery, versionParams } from './packages-schemas.ts'
import { pageOf, tellPages } from './paging.ts'

export function registerPackageVersions(routes: Routes, options: ApiOptions, owner: PackageOwner, packageUrl: string): void {
  const { db, publicUrl, packageFormats: formats } = options
  const list = {
    tags: packageTags,
    summary: 'Versions of a package, the newest first',
    params: packageParams[owner],
    querystring: VersionListQuery,
    response: { 200: Type.Array(VersionJson), ...packageErrors },
  }
  routes.get(`${packageUrl}/versions`, { config: access(formats, owner, 'package:read'), schema: list }, async (request, reply) => {
    const one = packageIn(request, owner)
    const { state, ...query } = request.query
    if (state === 'deleted') return []
    const page = pageOf(query)
    const room = roomOf(formats, one)
    const { versions, total } = await room.listVersions(db.queries, one.id, page)
    tellPages(request, reply, publicUrl, page, total)
    const urls = new PackageUrls(originOf(request, publicUrl), room, one)
    return versions.map((version) => versionJson(urls, version))
  })

  const reading = {
    tags: packageTags,
    summary: 'A version of a package',
    params: versionParams[owner],
    response: { 200: VersionJson, ...packageErrors },
  }
  const url = `${packageUrl}/versions/:package_version_id`
  routes.get(url, { config: access(formats, owner, 'package:read'), schema: reading }, async (request) => {
    const one = packageIn(request, owner)
    const room = roomOf(formats, one)
    const version = await room.findVersion(db.queries, one.id, request.params.package_version_id)
    if (version === null) throw notFound()
    return versionJson(new PackageUrls(originOf(request, publicUrl), room, one), version)
  })

  const deletion = {
    tags: packageTags,
    summary: 'Deletes a version of a package, with its tags',
    params: versionParams[owner],
    response: { 204: Type.Null(), ...packageErrors },
  }
  routes.delete(url, { config: access(formats, owner, 'package:delete'), schema: deletion }, async (request, reply) => {
    const one = packageIn(request, owner)
    const room = roomOf(formats, one)
    const version = await room.findVersion(db.queries, one.id, request.params.package_version_id)
    if (version === null || !(await told(room.deleteVersion(db, one, version, actorOf(request))))) throw notFound()
    return reply.code(204).send(null)
  })
}
