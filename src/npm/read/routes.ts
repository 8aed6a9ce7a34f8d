// What can be read of a registry: below its fixed endpoints, and of its packages.
import type { FastifyReply, FastifyRequest } from 'fastify'
import { onPackage, onRegistry } from '../../access/index.ts'
import type { Routes } from '../../http/index.ts'
import { onNamed, onTarget, ownedName, targetAmong } from '../protocol/targets.ts'
import { isToWrite, sendToWrite } from '../publish/routes.ts'
import type { NpmRegistry } from '../registry.ts'
import { cachedName } from '../upstream/cached-name.ts'
import { getDownloads } from './download-counts.ts'
import { getPackument, getVersion } from './packuments.ts'
import { searchPackages } from './search.ts'
import { attestedVersion, getAttestations, getKeys } from './signing.ts'
import { getTarball } from './tarballs.ts'

/** @param prefix of the registry: '' or '/:owner' */
export function registerReads(routes: Routes, registry: NpmRegistry, prefix: string): void {
  const { root } = registry
  routes.get(`${prefix}/-/npm/v1/keys`, { config: { access: 'public' } }, (request, reply) => getKeys(registry, request, reply))
  const search = { config: { access: onRegistry('registry:read') } }
  routes.get(`${prefix}/-/v1/search`, search, (request, reply) => searchPackages(registry, request, reply))
  const attested = (request: FastifyRequest) => attestedVersion((request.params as { readonly package: string }).package)
  const access = onPackage('npm', 'package:read', (request) => {
    const { owner } = request.params as { readonly owner?: string }
    return ownedName(owner ?? null, attested(request).name, root)
  })
  routes.get(`${prefix}/-/npm/v1/attestations/:package`, { config: { access, encodedSlash: true } }, (request, reply) =>
    getAttestations(registry, request, reply, attested(request)),
  )
  registerNamed(routes, registry, prefix)
}

/** Of packages whose names stand in the path, as a segment. */
function registerNamed(routes: Routes, registry: NpmRegistry, prefix: string): void {
  const config = { access: onNamed(registry.root, 'package:read'), encodedSlash: true }
  for (const kind of ['point', 'range'] as const) {
    routes.get(`${prefix}/-/downloads/${kind}/:period/:package`, { config }, (request, reply) =>
      getDownloads(registry, kind, request, reply),
    )
  }
}

/** GET and HEAD of what a package has. */
export async function getTarget(registry: NpmRegistry, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const target = targetAmong(request, ['packument', 'version', 'tarball'])
  if (target.kind === 'packument')
    return isToWrite(request) ? sendToWrite(registry, request, reply, target) : getPackument(registry, request, reply, target)
  if (target.kind === 'version') return getVersion(registry, request, reply, target)
  const cached = cachedName(request, target)
  if (cached !== null && (await registry.upstreams.tarball(request, reply, cached, target))) return reply
  return getTarball(registry, request, reply, target)
}

export function registerTargets(routes: Routes, registry: NpmRegistry): void {
  const config = { access: onTarget(registry.root, 'package:read'), encodedSlash: true }
  const get = (request: FastifyRequest, reply: FastifyReply) => getTarget(registry, request, reply)
  routes.get('/*', { config, exposeHeadRoute: false }, get)
  routes.head('/*', { config }, get)
}
