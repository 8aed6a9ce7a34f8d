// Uploads of blobs (distribution-spec, Pushing blobs): begun by POST, carried on by PATCH, ended by PUT, asked about by GET, given up by DELETE. The bytes are
// the content store's; an upload is known in its own image alone.
import type { FastifyReply, FastifyRequest } from 'fastify'
import { type Package, packageToWrite } from '../../access/index.ts'
import { type ByteSource, InputError } from '../../base/index.ts'
import type { Tx } from '../../db/index.ts'
import { Refusal, requestBody } from '../../http/index.ts'
import type { ContentInfo, UploadPart } from '../../store/index.ts'
import { insertBlob } from '../blob-rows.ts'
import { sendEmpty } from './form.ts'
import { assertAlgorithm, assertDigest, type OciDigest } from '../format/digests.ts'
import { ociError } from '../format/errors.ts'
import type { ImageName } from '../format/names.ts'
import { formatUploadRange, parseContentRange } from '../format/ranges.ts'
import type { Target } from '../format/target.ts'
import { mostOpenUploads, scopeOf } from '../keeping/open-uploads.ts'
import { findUploadRoom, settleUploads, type UploadRoom } from '../keeping/quota.ts'
import { mountBlob } from './mounts.ts'
import { referenceOf } from '../keeping/references.ts'
import { asFault, type Registry, rethrowFault } from '../registry.ts'

type UploadTarget = Extract<Target, { readonly kind: 'upload' }>
type Query = Readonly<Record<string, unknown>>

/** POST blobs/uploads/: mounts a blob, takes one whole, or begins an upload. */
export async function beginUpload(
  registry: Registry,
  request: FastifyRequest,
  reply: FastifyReply,
  name: ImageName,
): Promise<FastifyReply> {
  const query = request.query as Query
  const mount = query['mount'] === undefined ? null : assertDigest(query['mount'])
  const digest = query['digest'] === undefined || mount !== null ? null : assertDigest(query['digest'])
  const algorithm = query['digest-algorithm'] === undefined ? 'sha256' : assertAlgorithm(query['digest-algorithm'])
  if (digest !== null) assertPlain(request)
  const one = await packageToWrite(registry.db, request)
  if (mount !== null && (await mountBlob(registry, request, one, mount, query['from']))) return sendBlobPlace(reply, name, mount)
  if (digest !== null) {
    const { sizeBytes, source } = bodyOf(registry, request)
    const room = await findUploadRoom(registry.db, one, registry.limits.blobBytes, { sizeBytes })
    await registry.uploads
      .receive(source, { ...keepingIn(registry, one, digest, room), ...(sizeBytes === undefined ? {} : { sizeBytes }) })
      .catch((error: unknown) => rethrowFault(room.faultOf(error)))
    return sendBlobPlace(reply, name, digest)
  }
  const { id } = await registry.uploads
    .begin({ scope: scopeOf(one), algorithm: mount?.algorithm ?? algorithm, most: mostOpenUploads })
    .catch(rethrowTooMany)
  return sendUploadPlace(reply, 202, name, id, 0)
}

/** PATCH: a chunk with Content-Range, or whatever comes without. */
export async function carryOn(
  registry: Registry,
  request: FastifyRequest,
  reply: FastifyReply,
  target: UploadTarget,
): Promise<FastifyReply> {
  const { name, id } = target
  const part = partOf(registry, request)
  const one = imageOf(request)
  const room = await findUploadRoom(registry.db, one, registry.limits.blobBytes, { id })
  const add = async () => {
    try {
      return await registry.uploads.append(id, scopeOf(one), { ...part, limitBytes: room.limitBytes })
    } finally {
      if (room.isLimited) await settleUploads(registry.db, registry.uploads, one) // also of a request that broke off something is kept
    }
  }
  const state = await add().catch((error: unknown) => rethrowPlaced(registry, request, target, room.faultOf(error)))
  if (state === null) throw ociError('upload-unknown')
  return sendUploadPlace(reply, 202, name, id, state.sizeBytes)
}

/** PUT: the upload is whole, with the last chunk or all of it in the body, or nothing. */
export async function endUpload(
  registry: Registry,
  request: FastifyRequest,
  reply: FastifyReply,
  target: UploadTarget,
): Promise<FastifyReply> {
  const { name, id } = target
  const digest = assertDigest((request.query as Query)['digest'])
  const one = imageOf(request)
  const last = hasBody(request) ? { last: partOf(registry, request) } : {}
  const room = await findUploadRoom(registry.db, one, registry.limits.blobBytes, { id })
  const content = await registry.uploads
    .finish(id, scopeOf(one), { ...keepingIn(registry, one, digest, room), ...last })
    .catch((error: unknown) => rethrowPlaced(registry, request, target, room.faultOf(error)))
  if (content === null) throw ociError('upload-unknown')
  return sendBlobPlace(reply, name, digest)
}

/** GET: how far it has come. */
export async function tellUpload(
  registry: Registry,
  request: FastifyRequest,
  reply: FastifyReply,
  target: UploadTarget,
): Promise<FastifyReply> {
  const state = await registry.uploads.find(target.id, scopeIn(request))
  if (state === null) throw ociError('upload-unknown')
  return sendUploadPlace(reply, 204, target.name, target.id, state.sizeBytes)
}

/** DELETE: it is given up. */
export async function cancelUpload(
  registry: Registry,
  request: FastifyRequest,
  reply: FastifyReply,
  { id }: UploadTarget,
): Promise<FastifyReply> {
  if (!(await registry.uploads.cancel(id, scopeIn(request)))) throw ociError('upload-unknown')
  return sendEmpty(reply, 204, {})
}

function imageOf({ package: one }: FastifyRequest): Package {
  if (one === null) throw ociError('upload-unknown')
  return one
}

function scopeIn(request: FastifyRequest): string {
  return scopeOf(imageOf(request))
}

/** How a blob is received so that the image has it. */
function keepingIn({ limits: { leaseMs } }: Registry, one: Package, digest: OciDigest, { limitBytes, isLimited }: UploadRoom) {
  return {
    expected: { algorithm: digest.algorithm, digest: digest.bytes },
    limitBytes,
    reference: referenceOf(one),
    visible: (tx: Tx, content: ContentInfo) =>
      insertBlob(tx, one, digest, { content: content.digest, sizeBytes: content.sizeBytes }, { leaseMs, isLimited }),
  }
}

function hasBody({ headers }: FastifyRequest): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}

/** A blob is what is sent: no client packs it once more, and what unpacks to any size is nobody's upload. InputError 'upload-invalid'. */
function assertPlain({ headers: { 'content-encoding': encoding = 'identity' } }: FastifyRequest): void {
  if (encoding.trim().toLowerCase() !== 'identity') throw ociError('upload-invalid', 'A blob is sent as it is, without Content-Encoding')
}

function bodyOf({ limits }: Registry, request: FastifyRequest): { readonly source: ByteSource; readonly sizeBytes?: number } {
  assertPlain(request)
  const length = request.headers['content-length']
  // of a stream the store says when it is too much: it then keeps nothing of it
  const source = requestBody(request, { limitBytes: length === undefined ? Number.MAX_SAFE_INTEGER : limits.blobBytes })
  return length === undefined ? { source } : { source, sizeBytes: Number(length) }
}

/** The body as what goes on from where Content-Range says. InputError 'upload-invalid', 'size-invalid'. */
function partOf(registry: Registry, request: FastifyRequest): UploadPart {
  const range = parseContentRange(request.headers['content-range'])
  const { source, sizeBytes } = bodyOf(registry, request)
  if (range === null) return sizeBytes === undefined ? { source } : { source, sizeBytes }
  const length = range.to - range.from
  if (sizeBytes !== undefined && sizeBytes !== length)
    throw ociError('size-invalid', `Content-Range is about ${length} bytes, and Content-Length about ${sizeBytes}`)
  return { source, offset: range.from, sizeBytes: length }
}

function rethrowTooMany(error: unknown): never {
  if (!(error instanceof InputError) || error.code !== 'too-many-uploads') throw asFault(error)
  const message = `The image has ${mostOpenUploads} uploads that have not ended: end or cancel some`
  throw new Refusal(429, 'too-many-requests', message, { headers: { 'retry-after': '600' } })
}

/** Where the upload ends elsewhere, the client is told where. What its owner has no room for is given up with what came of it before. */
async function rethrowPlaced(registry: Registry, request: FastifyRequest, { name, id }: UploadTarget, error: unknown): Promise<never> {
  if (error instanceof InputError && error.code === 'quota-exceeded') await registry.uploads.cancel(id, scopeIn(request))
  if (!(error instanceof InputError) || (error.code !== 'upload-offset' && error.code !== 'upload-busy')) throw asFault(error)
  const state = await registry.uploads.find(id, scopeIn(request))
  if (state === null) throw ociError('upload-unknown')
  throw new Refusal(416, 'upload-range', error.message, { headers: placeHeaders(name, id, state.sizeBytes) })
}

function placeHeaders(name: ImageName, id: string, sizeBytes: number) {
  return { location: `/v2/${name.text}/blobs/uploads/${id}`, range: formatUploadRange(sizeBytes), 'docker-upload-uuid': id }
}

function sendUploadPlace(reply: FastifyReply, status: number, name: ImageName, id: string, sizeBytes: number): FastifyReply {
  return sendEmpty(reply, status, placeHeaders(name, id, sizeBytes))
}

function sendBlobPlace(reply: FastifyReply, name: ImageName, digest: OciDigest): FastifyReply {
  return sendEmpty(reply, 201, { location: `/v2/${name.text}/blobs/${digest.text}`, 'docker-content-digest': digest.text })
}
