// Blobs as they are pulled, asked for, and deleted (distribution-spec, Pulling blobs, Deleting Blobs).
import type { FastifyReply, FastifyRequest } from 'fastify'
import { actorOf, momentOf, packageOf, type Visibility } from '../../access/index.ts'
import { InputError } from '../../base/index.ts'
import { isSame, Refusal } from '../../http/index.ts'
import { sendContent } from '../../packages/index.ts'
import { type Blob, deleteBlob, findBlob, findSoundBlob } from '../blob-rows.ts'
import { sendEmpty } from './form.ts'
import type { OciDigest } from '../format/digests.ts'
import { ociError } from '../format/errors.ts'
import { parseRange } from '../format/ranges.ts'
import { isLeaseShort, renewBlob } from '../keeping/leases.ts'
import type { Registry } from '../registry.ts'

/** GET and HEAD of a blob, whole or one range. */
export async function getBlob(registry: Registry, request: FastifyRequest, reply: FastifyReply, digest: OciDigest): Promise<FastifyReply> {
  const { clock, db, limits, store, smallBlobs, downloads, log } = registry
  const { id, visibility } = packageOf(request)
  const find = request.method === 'HEAD' ? findSoundBlob : findBlob
  const blob = await find(momentOf(request), id, digest)
  if (blob === null) throw ociError('blob-unknown')
  // who is told that it is there may leave it out, and push what names it: until then it stays
  const isRelied = request.method === 'HEAD' && request.identity.kind !== 'anonymous'
  const isDue = isRelied && isLeaseShort(blob.leasedUntil.getTime(), clock.now(), limits.leaseMs)
  if (isDue && !(await renewBlob(db.queries, id, digest.bytes, limits.leaseMs))) throw ociError('blob-unknown')
  const etag = `"${digest.text}"`
  reply.headers(blobHeaders(digest))
  if (isSame(request, etag)) return reply.code(304).send()
  if (request.method === 'HEAD') return reply.header('content-length', String(blob.sizeBytes)).send()
  const range = rangeOf(request, etag, blob.sizeBytes)
  const url = await bucketUrl(registry, request, blob, visibility)
  if (url !== null) return redirect(reply, url)
  if (range !== null) reply.code(206).header('content-range', `bytes ${range.from}-${range.to - 1}/${blob.sizeBytes}`)
  const { from, to } = range ?? { from: 0, to: blob.sizeBytes }
  const sending = { store, small: smallBlobs, places: downloads, log }
  const [{ content, sizeBytes }, moment] = [blob, momentOf(request)]
  return sendContent(sending, request, reply, { content, sizeBytes, range: { offset: from, sizeBytes: to - from }, moment })
}

/** Where the client gets the bytes from the bucket itself, for some minutes; null: they come from here. A condition on a range is about our ETag, which the bucket doesn't know. */
async function bucketUrl(
  { redirects, store, clock }: Registry,
  request: FastifyRequest,
  blob: Blob,
  visibility: Visibility,
): Promise<string | null> {
  if (redirects === undefined || redirects.of === 'off' || blob.sizeBytes < redirects.fromBytes) return null
  if ((redirects.of === 'public' && visibility !== 'public') || request.headers['if-range'] !== undefined) return null
  return await store.link(blob.content, { at: new Date(clock.now()), lifetimeMs: redirects.lifetimeMs }, momentOf(request))
}

/** The URL opens what the caller was let to, whoever has it: nobody keeps the answer. */
function redirect(reply: FastifyReply, url: string): FastifyReply {
  for (const name of ['etag', 'accept-ranges', 'content-type']) reply.removeHeader(name)
  return sendEmpty(reply, 307, { location: url, 'referrer-policy': 'no-referrer' })
}

/** Of every answer about a blob. */
export function blobHeaders(digest: OciDigest): Readonly<Record<string, string>> {
  return {
    'content-type': 'application/octet-stream',
    'docker-content-digest': digest.text,
    etag: `"${digest.text}"`,
    'accept-ranges': 'bytes',
    'cache-control': 'private, no-cache',
    'x-content-type-options': 'nosniff',
    vary: 'Authorization',
  }
}

/** What of so many bytes is asked for; null: all. Refusal 416. */
export function rangeOf(request: FastifyRequest, etag: string, sizeBytes: number) {
  const { range, 'if-range': condition } = request.headers
  if (range === undefined || (condition !== undefined && condition !== etag)) return null
  try {
    return parseRange(range, sizeBytes)
  } catch (error) {
    if (!(error instanceof InputError)) throw error
    throw new Refusal(416, error.code, error.message, { headers: { 'content-range': `bytes */${sizeBytes}` } })
  }
}

/** DELETE of a blob. */
export async function dropBlob(registry: Registry, request: FastifyRequest, reply: FastifyReply, digest: OciDigest): Promise<FastifyReply> {
  const [one, actor] = [packageOf(request), actorOf(request)]
  await registry.db.transaction((tx) => deleteBlob(tx, one, digest, actor), { mayRetry: true })
  return sendEmpty(reply, 202, {})
}
