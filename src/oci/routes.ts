// The OCI registry over HTTP (opencontainers/distribution-spec): which path does what, and who may. Invariants: docs/design/oci.md.
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { type Action, onRegistry, onRegistryPackage } from '../access/index.ts'
import { Recent, SharedPlaces } from '../base/index.ts'
import { type Listener, Refusal, type RoomOptions, type Routes } from '../http/index.ts'
import { SmallContents } from '../packages/index.ts'
import { ociStatuses } from './format/errors.ts'
import { Pulls } from './keeping/pulls.ts'
import { dropBlob, getBlob } from './protocol/blobs.ts'
import { listImages } from './protocol/catalog.ts'
import { ociForm, sendJson, versionHeader } from './protocol/form.ts'
import { dropManifest, getManifest, putManifest } from './protocol/manifests.ts'
import { registerPasses } from './protocol/passes.ts'
import { listReferrers, sendReferrers } from './protocol/referrers.ts'
import { listTags } from './protocol/tags.ts'
import { targetAmong, targetOf } from './protocol/targets.ts'
import { beginUpload, cancelUpload, carryOn, endUpload, tellUpload } from './protocol/uploads.ts'
import type { Registry, RegistryOptions } from './registry.ts'
import { joinUpstreams, type UpstreamOptions } from './upstream/serving.ts'

const nameOf = (request: FastifyRequest) => {
  const { owner, image: name } = targetOf(request).name
  return { owner, name }
}
const on = (action: Parameters<typeof onRegistryPackage>[1]) => onRegistryPackage('oci', action, nameOf)

/** An upload is its pusher's business, whatever the method; the examples stand for the rest of the path. */
const unlessUpload = (action: Action) => ({
  of: (request: FastifyRequest): Action => (targetOf(request).kind === 'upload' ? 'package:write' : action),
  examples: { [action]: 'manifests/x', 'package:write': 'blobs/uploads/x' },
})

const access = {
  ask: onRegistry('registry:read'),
  read: on('package:read'),
  get: on(unlessUpload('package:read')),
  write: on('package:write'),
  delete: on(unlessUpload('package:delete')),
}

/** Blobs up to this size are sent out of memory. */
const smallBlobBytes = 64 << 10
/** Of manifests, and of small blobs, in memory. */
const keptBytes = 32 << 20

export interface OciOptions extends RegistryOptions {
  /** Where images of others come from; left out: nowhere. */
  readonly upstreams?: UpstreamOptions
}

export function registerOci(listener: Listener, { upstreams, ...options }: OciOptions): void {
  const downloads = new SharedPlaces(options.limits.concurrentDownloads)
  const pulls = new Pulls(options.db, options.log)
  const memory = {
    manifestBytes: new Recent<Uint8Array>(keptBytes),
    smallBlobs: new SmallContents(options.store, { mostBytes: smallBlobBytes, keptBytes }),
  }
  const registry: Registry = { ...options, ...memory, downloads, pulls, background: new Set() }
  // Bodies of any type: blobs are bytes, and manifests are looked at byte by byte.
  const room: RoomOptions = {
    prefix: '/v2',
    form: ociForm(options.publicUrl),
    challenge: true,
    body: { raw: /^/ },
    statusOf: ociStatuses,
    rate: 'git',
  }
  listener.room(room, (routes) => {
    routes.addHook('onRequest', async (_request, reply) => void reply.headers(versionHeader))
    routes.addHook('onClose', async () => void (await Promise.all([...registry.background, pulls.write()])))
    if (upstreams !== undefined) joinUpstreams(routes, registry, upstreams)
    registerWhole(routes, registry)
    registerPasses(routes, registry)
    registerImages(routes, registry)
  })
}

function registerWhole(routes: Routes, registry: Registry): void {
  const options = { config: { access: access.ask } }
  const say = async (request: FastifyRequest, reply: FastifyReply) => {
    // Clients learn here that there is something to sign in to; without it they would ask for everything as nobody.
    if (request.headers.authorization === undefined && request.identity.kind === 'anonymous')
      throw new Refusal(401, 'unauthenticated', 'Requires authentication')
    return sendJson(reply, 200, {})
  }
  routes.get('/', { ...options, prefixTrailingSlash: 'slash' }, say)
  routes.get('/_catalog', options, async (request, reply) => {
    // The same: a client that is shown what is public never asks with what it could show. Nobody in particular asks with a pass for nobody.
    if (request.headers.authorization === undefined) throw new Refusal(401, 'unauthenticated', 'Requires authentication')
    return listImages(registry, request, reply)
  })
}

function registerImages(routes: Routes, registry: Registry): void {
  const path = '/:owner/*'
  const get = async (request: FastifyRequest, reply: FastifyReply) => {
    const target = targetAmong(request, ['manifest', 'blob', 'tags', 'referrers', 'upload'])
    if (target.kind === 'manifest') return getManifest(registry, request, reply, target)
    if (target.kind === 'blob') return getBlob(registry, request, reply, target.digest)
    if (target.kind === 'tags') return listTags(request, reply, target.name)
    if (target.kind === 'referrers') return listReferrers(registry, request, reply, target)
    return tellUpload(registry, request, reply, target)
  }
  routes.get(path, { config: { access: access.get }, exposeHeadRoute: false, errorHandler: nothingRefers }, get)
  routes.head(path, { config: { access: access.read } }, async (request, reply) => {
    const target = targetAmong(request, ['manifest', 'blob'])
    return target.kind === 'blob' ? getBlob(registry, request, reply, target.digest) : getManifest(registry, request, reply, target)
  })
  routes.post(path, { config: { access: access.write } }, async (request, reply) =>
    beginUpload(registry, request, reply, targetAmong(request, ['uploads']).name),
  )
  routes.patch(path, { config: { access: access.write } }, async (request, reply) =>
    carryOn(registry, request, reply, targetAmong(request, ['upload'])),
  )
  routes.put(path, { config: { access: access.write } }, async (request, reply) => {
    const target = targetAmong(request, ['manifest', 'upload'])
    return target.kind === 'upload' ? endUpload(registry, request, reply, target) : putManifest(registry, request, reply, target)
  })
  routes.delete(path, { config: { access: access.delete } }, async (request, reply) => {
    const target = targetAmong(request, ['manifest', 'blob', 'upload'])
    if (target.kind === 'upload') return cancelUpload(registry, request, reply, target)
    return target.kind === 'blob' ? dropBlob(registry, request, reply, target.digest) : dropManifest(registry, request, reply, target)
  })
}

/** Referrers are never 404: where there is no image, or none that the caller may see, nothing refers to anything. */
function nothingRefers(error: FastifyError, request: FastifyRequest, reply: FastifyReply): void {
  const isHidden = error instanceof Refusal && error.status === 404 && targetOf(request).kind === 'referrers'
  if (!isHidden) throw error
  sendReferrers(reply, [])
}
