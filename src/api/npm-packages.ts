// npm packages: what they and their versions say of themselves, what they need and what needs them, downloads. Stemma's own; docs/design/packages-api.md.
import type { FastifyRequest } from 'fastify'
import Type from 'typebox'
import { packageFullName, packageOf } from '../access/index.ts'
import { notFound, type Routes } from '../http/index.ts'
import { dependenciesOf, listDependants, listNpmVersions, type Manifest, npmDownloads, npmPackageFacts } from '../npm/index.ts'
import { roomOf } from '../packages/index.ts'
import { originOf, timeJson } from './documents.ts'
import { imageErrors } from './image-call.ts'
import type { ApiOptions } from './index.ts'
import { npmPlace, npmTags, npmUrl, npmVersionJson, onNpm, versionOf } from './npm-call.ts'
import { registerNpmFiles } from './npm-files.ts'
import {
  DependantJson,
  NpmDownloadsJson,
  NpmDownloadsQuery,
  NpmListQuery,
  NpmManifestJson,
  NpmPackageJson,
  NpmParams,
  NpmVersionJson,
  NpmVersionParams,
} from './npm-schemas.ts'
import { PackageUrls } from './package-documents.ts'
import { pageOf, tellPages } from './paging.ts'

export function registerNpmPackages(routes: Routes, options: ApiOptions): void {
  registerWhole(routes, options)
  registerVersions(routes, options)
  registerDependants(routes, options)
  registerDownloads(routes, options)
  registerNpmFiles(routes, options)
}

function registerWhole(routes: Routes, options: ApiOptions): void {
  const { queries } = options.db
  const schema = {
    tags: npmTags,
    summary: 'An npm package: readme, tags, what its latest version says (Stemma’s own)',
    params: NpmParams,
    response: { 200: NpmPackageJson, ...imageErrors },
  }
  routes.get(npmUrl, { config: onNpm('package:read'), schema }, async (request): Promise<NpmPackageJson> => {
    const one = packageOf(request)
    const room = roomOf(options.packageFormats, one)
    const [facts, figures] = await Promise.all([npmPackageFacts(queries, one.id), room.figures(queries, one.id)])
    if (facts === null) throw notFound()
    const said = facts.manifest ?? {}
    return {
      name: one.name,
      full_name: packageFullName(one),
      visibility: one.visibility,
      description: textOf(said['description']),
      license: textOf(said['license']),
      homepage: textOf(said['homepage']),
      keywords: keywordsOf(said),
      readme: facts.readme,
      readme_filename: facts.readmeFilename,
      dist_tags: facts.tags,
      versions: figures.versions,
      tarball_bytes: figures.fileBytes,
      downloads: { last_30_days: figures.downloadsIn30Days },
      url: npmPlace(options, request, one),
      package_url: new PackageUrls(originOf(request, options.publicUrl), room, one).api,
      created_at: timeJson(one.createdAt),
      modified_at: timeJson(facts.modifiedAt),
    }
  })
}

function registerVersions(routes: Routes, options: ApiOptions): void {
  const list = {
    tags: npmTags,
    summary: 'Versions of an npm package, the newest first (Stemma’s own)',
    params: NpmParams,
    querystring: NpmListQuery,
    response: { 200: Type.Array(NpmVersionJson), ...imageErrors },
  }
  routes.get(`${npmUrl}/versions`, { config: onNpm('package:read'), schema: list }, async (request, reply) => {
    const one = packageOf(request)
    const page = pageOf(request.query)
    const { versions, total } = await listNpmVersions(options.db.queries, one.id, page)
    tellPages(request, reply, options.publicUrl, page, total)
    const place = npmPlace(options, request, one)
    return versions.map((version) => npmVersionJson(place, version))
  })

  const reading = {
    tags: npmTags,
    summary: 'A version of an npm package: its manifest, and what it needs (Stemma’s own)',
    params: NpmVersionParams,
    response: { 200: NpmManifestJson, ...imageErrors },
  }
  routes.get(`${npmUrl}/versions/:version`, { config: onNpm('package:read'), schema: reading }, async (request) => {
    const { manifest, ...facts } = await versionOf(options, request, request.params.version)
    const version = npmVersionJson(npmPlace(options, request, packageOf(request)), facts)
    return { ...version, dependencies: dependenciesOf(manifest), manifest }
  })
}

function registerDependants(routes: Routes, options: ApiOptions): void {
  const schema = {
    tags: npmTags,
    summary: 'What needs an npm package, of what the caller may read: by what latest versions say (Stemma’s own)',
    params: NpmParams,
    querystring: NpmListQuery,
    response: { 200: Type.Array(DependantJson), ...imageErrors },
  }
  routes.get(`${npmUrl}/dependants`, { config: onNpm('package:read'), schema }, async (request, reply) => {
    const page = pageOf(request.query)
    const { dependants, total } = await listDependants(options.db.queries, request.identity, packageOf(request).name, page)
    tellPages(request, reply, options.publicUrl, page, total)
    return dependants.map(({ package: { name, ownerLogin }, version, kind, range }) => {
      return { name, owner: ownerLogin, version, kind, range, url: npmPlace(options, request, { name, ownerLogin }) }
    })
  })
}

function registerDownloads(routes: Routes, options: ApiOptions): void {
  const schema = {
    tags: npmTags,
    summary: 'How often an npm package was downloaded, by day (Stemma’s own)',
    params: NpmParams,
    querystring: NpmDownloadsQuery,
    response: { 200: NpmDownloadsJson, ...imageErrors },
  }
  routes.get(`${npmUrl}/downloads`, { config: onNpm('package:read'), schema }, async (request) => {
    const { days = 30, version } = request.query
    const one = version === undefined ? null : await versionOf(options, request as FastifyRequest, version)
    const found = await npmDownloads(options.db.queries, packageOf(request).id, days, one && one.id)
    return { total: found.total, days: found.days.map(({ day, count }) => ({ day, downloads: count })) }
  })
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null
}

function keywordsOf({ keywords }: Manifest): string[] {
  return Array.isArray(keywords) ? keywords.filter((word): word is string => typeof word === 'string').slice(0, 100) : []
}
