// Basic transfers: objects as they are, by PUT and GET, and the question whether an upload has arrived.
import { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { actorOf, createOrFind, identityKey, type OwnerQuota, quotaExceeded, type Repository, repositoryOf } from '../access/index.ts'
import { type Clock, CorruptError, InputError, type Log, type SharedPlaces } from '../base/index.ts'
import { addressKey, notFound, parseRange, Refusal, requestBody } from '../http/index.ts'
import { type Digest, parseDigest } from '../store/index.ts'
import type { CallerPlaces } from './caller-places.ts'
import { sendJson } from './answers.ts'
import { type BatchParts, quotaOf } from './batch.ts'
import { parseVerify } from './format/batch.ts'
import { invalid } from './format/fields.ts'
import { findObjects, keepObject } from './objects.ts'

export interface TransferParts extends BatchParts {
  readonly clock: Clock
  readonly log: Log
  /** Downloads at one time: each reads some MiB ahead. */
  readonly downloads: SharedPlaces
  readonly uploads: CallerPlaces
  readonly limits: { readonly objectBytes: number; readonly requestTimeoutMs: number }
}

/** PUT objects/:oid. Whatever is stored already, the bytes have to come: nobody finds out by asking what other repositories hold. */
export async function upload(parts: TransferParts, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const digest = parseDigest((request.params as { oid: string }).oid)
  if (digest === null) throw invalid('oid must be 64 hexadecimal digits in lower case')
  const sizeBytes = claimedSize(request)
  const expected = { digest, ...(sizeBytes === null ? {} : { sizeBytes }) }
  const isThere = request.repository !== null && (await sizeOf(parts, request.repository, digest)) !== undefined
  const quota = isThere ? null : await quotaOf(parts.db, request)
  if (quota !== null && (sizeBytes ?? 0) > quota.leftBytes) throw quotaExceeded(quota)
  const put = await parts.uploads.with(identityKey(request.identity) ?? '', () =>
    parts.store.put(bodyOf(parts, request, quota), { expected, limitBytes: parts.limits.objectBytes }),
  )
  const repository = await writableRepository(parts, request)
  await keepObject(parts, repository.id, { digest, sizeBytes: put.sizeBytes })
  return reply.code(200).header('cache-control', 'no-store').send()
}

/** The repository of a push; made now where the gate has found that the caller may. */
export async function writableRepository({ db }: Pick<TransferParts, 'db'>, request: FastifyRequest): Promise<Repository> {
  const { repository, repositoryToCreate } = request
  if (repository !== null || repositoryToCreate === null) return repositoryOf(request)
  return createOrFind(db, { ...repositoryToCreate, actor: actorOf(request) })
}

/** POST verify: 200 when the repository has the object, in that size. */
export async function verify(parts: TransferParts, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { oid, sizeBytes } = parseVerify(request.body)
  const known = request.repository === null ? undefined : await sizeOf(parts, request.repository, oid as Digest)
  if (known === undefined) throw new Refusal(404, 'not-found', 'Object does not exist')
  if (known !== sizeBytes) throw invalid(`The object has ${known} bytes, not ${sizeBytes}`)
  return sendJson(reply, 200, {})
}

/** GET objects/:oid, whole or one range. */
export async function download(parts: TransferParts, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const digest = parseDigest((request.params as { oid: string }).oid)
  const sizeBytes = digest === null ? undefined : await sizeOf(parts, repositoryOf(request), digest)
  if (digest === null || sizeBytes === undefined) throw notFound()
  const etag = `"${digest}"`
  const ifRange = request.headers['if-range']
  const range = parseRange(ifRange === undefined || ifRange === etag ? request.headers.range : undefined, sizeBytes)
  if (range === null) throw new Refusal(416, 'range', 'Range Not Satisfiable', { headers: { 'content-range': `bytes */${sizeBytes}` } })
  const length = range.to - range.from
  const gone = new AbortController()
  const content = await parts.store.get(digest, { offset: range.from, sizeBytes: length }, gone.signal)
  if (content === null) throw new CorruptError('content', `LFS object ${digest} has a row and no content`)
  const free = await parts.downloads.take(identityKey(request.identity) ?? addressKey(request.ip))
  const leave = (): void => {
    gone.abort(new Error('the client closed the connection'))
    free()
  }
  reply.raw.once('close', leave) // also at the answer's end
  if (reply.raw.destroyed) leave()
  const bytes = content.bytes[Symbol.asyncIterator]()
  const first = await bytes.next().catch((error: unknown) => {
    free()
    throw error
  })
  const isPart = length < sizeBytes
  reply.code(isPart ? 206 : 200).headers({
    'content-type': 'application/octet-stream',
    'content-length': String(length),
    'accept-ranges': 'bytes',
    'cache-control': 'private, no-cache',
    'content-disposition': 'attachment',
    'x-content-type-options': 'nosniff',
    etag,
    vary: 'Authorization',
    ...(isPart ? { 'content-range': `bytes ${range.from}-${range.to - 1}/${sizeBytes}` } : {}),
  })
  return reply.send(Readable.from(rest(first, bytes, { log: parts.log, gone: gone.signal, digest }), { objectMode: false }))
}

/** What fails behind the answer's beginning can only be logged: the connection ends in the middle. */
async function* rest(
  first: IteratorResult<Uint8Array, unknown>,
  bytes: AsyncIterator<Uint8Array, unknown>,
  { log, gone, digest }: { readonly log: Log; readonly gone: AbortSignal; readonly digest: Digest },
): AsyncGenerator<Uint8Array> {
  try {
    for (let piece = first; piece.done !== true; piece = await bytes.next()) yield piece.value
  } catch (error) {
    const alarm = error instanceof CorruptError
    if (alarm || !gone.aborted)
      log.error({ err: error, alarm, oid: digest }, alarm ? 'ALARM: stored data is wrong' : 'a download broke off')
    throw error
  } finally {
    await bytes.return?.()
  }
}

async function sizeOf({ db }: TransferParts, repository: Repository, oid: Digest): Promise<number | undefined> {
  return (await findObjects(db.queries, repository.id, [oid])).get(oid)
}

/** What the batch request said of it, as it stands in the action's URL; null where somebody has made the URL himself. */
function claimedSize(request: FastifyRequest): number | null {
  const { size } = request.query as { size?: unknown }
  if (size === undefined) return null
  if (typeof size !== 'string' || !/^\d{1,15}$/.test(size)) throw invalid('size must be a whole number of bytes')
  return Number(size)
}

/** An object may be large, but it must come along. */
async function* bodyOf(
  { clock, limits }: TransferParts,
  request: FastifyRequest,
  quota: OwnerQuota | null,
): AsyncGenerator<Uint8Array, void, undefined> {
  const endMs = clock.monotonic() + limits.requestTimeoutMs
  let sizeBytes = 0
  for await (const bytes of requestBody(request, { limitBytes: limits.objectBytes })) {
    if (clock.monotonic() > endMs) throw new InputError('slow-body', 'the upload took longer than this server allows')
    sizeBytes += bytes.length
    if (quota !== null && sizeBytes > quota.leftBytes) throw quotaExceeded(quota)
    yield bytes
  }
}
