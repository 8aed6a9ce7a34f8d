// What the routes of npm packages have in common: how they are declared, which version one names, how versions are told.
import type { FastifyRequest } from 'fastify'
import { type Action, onPackage, type Package, packageOf } from '../access/index.ts'
import { notFound, type RouteAccess } from '../http/index.ts'
import { findNpmVersion, type NpmVersionFacts } from '../npm/index.ts'
import type { Layer } from '../oci/index.ts'
import { originOf, timeJson } from './documents.ts'
import type { ApiOptions } from './index.ts'
import type { NpmVersionJson } from './npm-schemas.ts'

export const npmTags = ['NpmPackage']
export const npmUrl = '/npm/:owner/:package'

export function onNpm(action: Action): { readonly access: RouteAccess; readonly encodedSlash: true } {
  const nameOf = (request: FastifyRequest) => {
    const { owner, package: name } = request.params as { readonly owner: string; readonly package: string }
    return { owner, name }
  }
  return { access: onPackage('npm', action, nameOf), encodedSlash: true }
}

/** Of the request's package, by its number or a tag. Refusal 404. */
export async function versionOf({ db }: ApiOptions, request: FastifyRequest, reference: string) {
  const found = await findNpmVersion(db.queries, packageOf(request).id, reference)
  if (found === null) throw notFound()
  return found
}

/** Its tarball, as what is looked into. */
export function layerOf({ tarball }: NpmVersionFacts): Layer {
  return { content: tarball.content, sizeBytes: tarball.sizeBytes }
}

/** @returns of the package, in this part of the API */
export function npmPlace(
  { publicUrl }: ApiOptions,
  request: FastifyRequest,
  { ownerLogin, name }: Pick<Package, 'ownerLogin' | 'name'>,
): string {
  return `${originOf(request, publicUrl)}/api/v3/npm/${ownerLogin}/${encodeURIComponent(name)}`
}

/** @param place of the package */
export function npmVersionJson(place: string, facts: NpmVersionFacts): NpmVersionJson {
  const { tarball } = facts
  return {
    id: facts.id,
    version: facts.version,
    published_at: timeJson(facts.publishedAt),
    dist_tags: [...facts.tags],
    deprecated: facts.deprecated,
    git_head: facts.gitHead,
    has_install_script: facts.hasInstallScript,
    file_count: facts.fileCount,
    unpacked_bytes: facts.unpackedBytes,
    downloads: facts.downloadCount,
    tarball: {
      name: tarball.name,
      size_bytes: tarball.sizeBytes,
      sha256: tarball.content,
      integrity: tarball.sha512 && `sha512-${Buffer.from(tarball.sha512).toString('base64')}`,
    },
    url: `${place}/versions/${encodeURIComponent(facts.version)}`,
  }
}
