// Versions of a package (GitHub REST "Packages"): of an image, its manifests, those without a tag, too.
import Type from 'typebox'
import { actorOf } from '../access/index.ts'
import { notFound, type Routes } from '../http/index.ts'
import { deleteVersion, listManifests, manifestById } from '../oci/index.ts'
import { originOf } from './documents.ts'
import { told } from './image-call.ts'
import type { ApiOptions } from './index.ts'
import { PackageUrls, versionJson } from './package-documents.ts'
import { access, packageErrors, packageIn, type PackageOwner, packageTags } from './package-call.ts'
import { packageParams, VersionJson, VersionListQuery, versionParams } from './packages-schemas.ts'
import { pageOf, tellPages } from './paging.ts'

export function registerPackageVersions(routes: Routes, options: ApiOptions, owner: PackageOwner, packageUrl: string): void {
  const { db, publicUrl } = options
  const list = {
    tags: packageTags,
    summary: 'Versions of a package, the newest first',
    params: packageParams[owner],
    querystring: VersionListQuery,
    response: { 200: Type.Array(VersionJson), ...packageErrors },
  }
  routes.get(`${packageUrl}/versions`, { config: access(owner, 'package:read'), schema: list }, async (request, reply) => {
    const one = packageIn(request, owner)
    const { state, ...query } = request.query
    if (state === 'deleted') return []
    const page = pageOf(query)
    const { manifests, total } = await listManifests(db.queries, one.id, page)
    tellPages(request, reply, publicUrl, page, total)
    const urls = new PackageUrls(originOf(request, publicUrl), one)
    return manifests.map((manifest) => versionJson(urls, manifest))
  })

  const reading = {
    tags: packageTags,
    summary: 'A version of a package',
    params: versionParams[owner],
    response: { 200: VersionJson, ...packageErrors },
  }
  const url = `${packageUrl}/versions/:package_version_id`
  routes.get(url, { config: access(owner, 'package:read'), schema: reading }, async (request) => {
    const one = packageIn(request, owner)
    const manifest = await manifestById(db.queries, one.id, request.params.package_version_id)
    if (manifest === null) throw notFound()
    return versionJson(new PackageUrls(originOf(request, publicUrl), one), manifest)
  })

  const deletion = {
    tags: packageTags,
    summary: 'Deletes a version of a package, with its tags',
    params: versionParams[owner],
    response: { 204: Type.Null(), ...packageErrors },
  }
  routes.delete(url, { config: access(owner, 'package:delete'), schema: deletion }, async (request, reply) => {
    const one = packageIn(request, owner)
    const manifest = await manifestById(db.queries, one.id, request.params.package_version_id)
    if (manifest === null || !(await told(deleteVersion(db, one, manifest.digest, actorOf(request))))) throw notFound()
    return reply.code(204).send(null)
  })
}
