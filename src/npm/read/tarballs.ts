// Tarballs as they are downloaded: whole, or one range. A file's name never stands for other bytes, so that clients may keep them for ever.
import type { FastifyReply, FastifyRequest } from 'fastify'
import { momentOf, packageOf } from '../../access/index.ts'
import { isSame, notFound, parseRange, Refusal } from '../../http/index.ts'
import { findFile, sendContent } from '../../packages/index.ts'
import type { NpmTarget } from '../format/path.ts'
import type { NpmRegistry } from '../registry.ts'
import { cacheControl } from './packuments.ts'

/** GET and HEAD. */
export async function getTarball(
  registry: NpmRegistry,
  request: FastifyRequest,
  reply: FastifyReply,
  { file: name }: Pick<Extract<NpmTarget, { kind: 'tarball' }>, 'file'>,
): Promise<FastifyReply> {
  const [one, moment] = [packageOf(request), momentOf(request)]
  const file = await findFile(moment, one.id, name)
  if (file === null) throw notFound()
  const { content, sizeBytes, versionId } = file
  const etag = `"${content}"`
  reply.headers({
    'content-type': 'application/octet-stream',
    etag,
    'accept-ranges': 'bytes',
    'cache-control': cacheControl(one, 'max-age=31536000, immutable'),
    'x-content-type-options': 'nosniff',
  })
  if (isSame(request, etag)) return reply.code(304).send()
  if (request.method === 'HEAD') return reply.header('content-length', String(sizeBytes)).send()
  const { range, 'if-range': condition } = request.headers
  const wanted = parseRange(condition === undefined || condition === etag ? range : undefined, sizeBytes)
  if (wanted === null)
    throw new Refusal(416, 'range-invalid', 'There are no such bytes', { headers: { 'content-range': `bytes */${sizeBytes}` } })
  const { from, to } = wanted
  if (to - from < sizeBytes) reply.code(206).header('content-range', `bytes ${from}-${to - 1}/${sizeBytes}`)
  if (from === 0) registry.downloads.count(versionId) // the rest of one that broke off is none more
  return sendContent(registry.sending, request, reply, { content, sizeBytes, range: { offset: from, sizeBytes: to - from }, moment })
}
