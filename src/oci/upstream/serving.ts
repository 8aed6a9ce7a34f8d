// Where upstreams join the registry: before the registry's own handlers, of requests that ask for what is, or would be, an upstream's. A manifest is
// brought here, and then the registry gives it as any other; a blob that isn't here is given while it comes; lists are the upstream's.
import { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Randomness, Sealer } from '../../base/index.ts'
import { Moment } from '../../db/index.ts'
import { isSame, type Outbound, type Routes } from '../../http/index.ts'
import { type CachedName, type ClientParts, type Failure, UpstreamClients } from '../../packages/index.ts'
import { blobHeaders, rangeOf } from '../protocol/blobs.ts'
import { sendJson } from '../protocol/form.ts'
import type { OciDigest } from '../format/digests.ts'
import { ociError } from '../format/errors.ts'
import { nextLink, parsePage } from '../format/pages.ts'
import type { Target } from '../format/target.ts'
import { sendReferrers } from '../protocol/referrers.ts'
import type { Registry } from '../registry.ts'
import { targetOf } from '../protocol/targets.ts'
import { mostTags } from '../protocol/tags.ts'
import { BlobPulls } from './blob-pulls.ts'
import { registryClients } from './registry-clients.ts'
import { ListPulls } from './list-pulls.ts'
import { ManifestPulls, refusalFor } from './manifest-pulls.ts'

export interface UpstreamOptions extends Pick<ClientParts, 'agent' | 'pace'> {
  readonly outbound: Outbound
  readonly sealer: Sealer
  readonly randomness: Randomness
  /** Where blobs are while they come. */
  readonly folder: string
}

/** RFC 9111 had it, and clients of registries show it to their users. */
const staleWarning = '110 - "Response is Stale"'

interface Pulls {
  readonly manifests: ManifestPulls
  readonly blobs: BlobPulls
  readonly lists: ListPulls
}

/** To be called before the registry's routes are registered. */
export function joinUpstreams(routes: Routes, registry: Registry, options: UpstreamOptions): void {
  const { db, log, clock } = registry
  const clients = new UpstreamClients(registryClients, { db, log, clock, ...options })
  const pulls: Pulls = {
    manifests: new ManifestPulls(registry, clients),
    blobs: new BlobPulls(registry, clients, options),
    lists: new ListPulls(registry, clients),
  }
  routes.addHook('onClose', async () => await pulls.blobs.close())
  routes.addHook('preHandler', async (request, reply) => {
    const name = cachedName(request)
    if (name === null) return
    const target = targetOf(request)
    if (target.kind === 'manifest') {
      const here = await pulls.manifests.ensure(name, target.reference)
      request.package = here.package
      request.moment = new Moment(db) // rows were written since the gate looked
      tellStale(reply, here.stale)
    }
    if (target.kind === 'blob') {
      request.moment = new Moment(db)
      return await giveBlob(pulls, request, reply, name, target.digest)
    }
    if (target.kind === 'tags') return await listTags(pulls, request, reply, name, target)
    if (target.kind === 'referrers') return await listReferrers(pulls, request, reply, name, target)
  })
}

/** Null: the request is about no upstream's name, or doesn't pull. */
function cachedName(request: FastifyRequest): CachedName | null {
  if (request.method !== 'GET' && request.method !== 'HEAD') return null
  const { package: one, packageToFetch: wanted } = request
  if (one !== null && one.upstreamId !== null) {
    return { format: 'oci', upstreamId: one.upstreamId, ownerId: one.ownerId, owner: one.ownerLogin, name: one.name, package: one }
  }
  if (wanted === null) return null
  return {
    format: 'oci',
    upstreamId: wanted.upstreamId,
    ownerId: wanted.ownerId,
    owner: wanted.ownerLogin,
    name: wanted.name,
    package: null,
  }
}

function tellStale(reply: FastifyReply, failure: Failure | null): void {
  if (failure !== null) reply.header('warning', staleWarning)
}

/** Nothing where it is here: the registry's handler goes on. */
async function giveBlob(
  { blobs }: Pulls,
  request: FastifyRequest,
  reply: FastifyReply,
  name: CachedName,
  digest: OciDigest,
): Promise<FastifyReply | undefined> {
  if (await blobs.isHere(name, digest)) return undefined
  const etag = `"${digest.text}"`
  if (request.method === 'HEAD' || isSame(request, etag)) {
    const sizeBytes = await blobs.size(name, digest)
    reply.headers(blobHeaders(digest))
    if (isSame(request, etag)) return reply.code(304).send()
    return sizeBytes === null ? reply.send() : reply.header('content-length', String(sizeBytes)).send()
  }
  const coming = await blobs.open(name, digest, (sizeBytes) => rangeOf(request, etag, sizeBytes))
  if (coming === null) return undefined
  const { sizeBytes, range, bytes } = coming
  reply.headers(blobHeaders(digest))
  if (range !== null) reply.code(206).header('content-range', `bytes ${range.from}-${range.to - 1}/${sizeBytes}`)
  const length = range === null ? sizeBytes : range.to - range.from
  if (length !== null) reply.header('content-length', String(length))
  reply.raw.once('close', () => void bytes.return()) // also of a client that goes while nothing comes
  if (reply.raw.destroyed) await bytes.return()
  return reply.send(Readable.from(bytes, { objectMode: false }))
}

async function listTags(
  { lists }: Pulls,
  request: FastifyRequest,
  reply: FastifyReply,
  name: CachedName,
  { name: shown }: Extract<Target, { kind: 'tags' }>,
): Promise<FastifyReply | undefined> {
  const listed = await lists.tags(name)
  if (listed.kind === 'missing') throw ociError('name-unknown')
  if (listed.kind === 'failed') return orHere(reply, name, listed)
  const { limit, last } = parsePage(request.query as Record<string, unknown>, mostTags)
  const rest = listed.value.filter((tag) => tag > last)
  const tags = rest.slice(0, limit)
  if (rest.length > limit && limit > 0) {
    reply.header('link', nextLink(`/v2/${shown.text}/tags/list`, { n: String(limit), last: tags.at(-1) as string }))
  }
  return sendJson(reply, 200, { name: shown.text, tags })
}

async function listReferrers(
  { lists }: Pulls,
  request: FastifyRequest,
  reply: FastifyReply,
  name: CachedName,
  { digest }: Extract<Target, { kind: 'referrers' }>,
): Promise<FastifyReply | undefined> {
  const { artifactType } = request.query as { artifactType?: unknown }
  if (artifactType !== undefined && typeof artifactType !== 'string') throw ociError('page-invalid', 'artifactType must be one media type')
  const listed = await lists.referrers(name, digest)
  // never 404: of what there isn't, or the upstream shows to others, nothing is told
  const isNothing = listed.kind === 'missing' || (listed.kind === 'failed' && listed.reason === 'refused' && name.package === null)
  if (isNothing) return sendReferrers(reply, [])
  if (listed.kind === 'failed') return orHere(reply, name, listed)
  if (artifactType === undefined) return sendReferrers(reply, listed.value)
  reply.header('oci-filters-applied', 'artifactType')
  return sendReferrers(
    reply,
    listed.value.filter((one) => (one as { artifactType?: unknown }).artifactType === artifactType),
  )
}

/** What is here, by the registry's handler, or that nothing is known. */
function orHere(reply: FastifyReply, name: CachedName, failure: Failure): undefined {
  if (name.package === null) throw refusalFor(failure)
  tellStale(reply, failure)
  return undefined
}
