// Documents as they are asked for: a package's, full or abbreviated, and a version's.
import type { FastifyReply, FastifyRequest } from 'fastify'
import { momentOf, type Package, packageOf } from '../../access/index.ts'
import { isSame, notFound, Refusal } from '../../http/index.ts'
import { codingWanted, formWanted } from '../format/accept.ts'
import type { NpmTarget } from '../format/path.ts'
import type { NpmRegistry } from '../registry.ts'
import { cachedName } from '../upstream/cached-name.ts'
import { baseOf } from './base.ts'
import type { Document, WantedDocument } from './documents.ts'

/** GET and HEAD. What Accept says in other words is passed over: every client reads JSON. */
export async function getPackument(
  registry: NpmRegistry,
  request: FastifyRequest,
  reply: FastifyReply,
  target: Extract<NpmTarget, { kind: 'packument' }>,
): Promise<FastifyReply> {
  const document = await find(registry, request, reply, target, formWanted(request.headers.accept))
  if (document === null) throw notFound()
  return sendDocument(request, reply, document, 'Accept, Accept-Encoding')
}

/** GET and HEAD of a version's manifest, by version or tag. */
export async function getVersion(
  registry: NpmRegistry,
  request: FastifyRequest,
  reply: FastifyReply,
  target: Extract<NpmTarget, { kind: 'version' }>,
): Promise<FastifyReply> {
  const { version } = target
  const document = await find(registry, request, reply, target, { version })
  if (document === null) throw new Refusal(404, 'version-unknown', `version not found: ${version}`)
  return sendDocument(request, reply, document, 'Accept-Encoding')
}

function find(
  registry: NpmRegistry,
  request: FastifyRequest,
  reply: FastifyReply,
  target: NpmTarget,
  of: WantedDocument['of'],
): Promise<Document | null> {
  const cached = cachedName(request, target)
  const owner = cached?.owner ?? packageOf(request).ownerLogin
  const base = baseOf(registry, request, target.owner === null ? null : owner)
  const wanted = { of, coding: codingWanted(request.headers['accept-encoding']), base }
  if (cached !== null) return registry.upstreams.document(request, reply, cached, target, wanted)
  return registry.documents.find(momentOf(request), packageOf(request), wanted)
}

/**
 * Who may read a document depends on who asks, and nothing else of it: caches that several share are told by `private`. Not by `Vary: Authorization`, for which npm
 * would write the token into its cache (docs/decisions/0039-npm-read.md).
 */
function sendDocument(request: FastifyRequest, reply: FastifyReply, { type, etag, bytes, coding }: Document, vary: string): FastifyReply {
  reply.headers({
    'content-type': type,
    etag,
    vary,
    'cache-control': cacheControl(packageOf(request), 'no-cache'),
    'x-content-type-options': 'nosniff',
  })
  if (coding !== 'identity') reply.header('content-encoding', coding)
  if (isSame(request, etag)) return reply.removeHeader('content-encoding').code(304).send()
  reply.header('content-length', String(bytes.length))
  return request.method === 'HEAD' ? reply.send() : reply.send(bytes)
}

export function cacheControl({ visibility }: Pick<Package, 'visibility'>, rest: string): string {
  return `${visibility === 'public' ? 'public' : 'private'}, ${rest}`
}
