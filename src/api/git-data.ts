// /repos/{owner}/{repo}/git/{blobs,commits,tags,trees}: single objects by id (GitHub REST "Git database").
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Readable } from 'node:stream'
import Type from 'typebox'
import { onRepository } from '../access/index.ts'
import type { AnswerOf } from '../git/index.ts'
import { Refusal, type Routes } from '../http/index.ts'
import { RepositoryCall, isUnchanged, mediaOf, restOf, tagOf } from './repository-call.ts'
import { gitCommitJson, gitTagJson, modeText, nodeId } from './git-documents.ts'
import { BlobJson, GitCommitJson, GitTagJson, GitTreeJson, RestParams, ShaParams, TreeQuery } from './git-schemas.ts'
import type { ApiOptions } from './index.ts'
import { ErrorJson } from './schemas.ts'

const tags = ['Git']
const errors = { 304: Type.Null(), 401: ErrorJson, 403: ErrorJson, 404: ErrorJson, 409: ErrorJson, 422: ErrorJson }
/** GitHub's own. */
export const treeLimits = { mostEntries: 100_000, mostBytes: 7 << 20 }
const largestBlob = 100 << 20
const access = onRepository('repository:read')

export function registerGitData(routes: Routes, options: ApiOptions): void {
  const commit = { tags, summary: 'A commit object', params: ShaParams, response: { 200: GitCommitJson, ...errors } }
  routes.get('/repos/:owner/:repo/git/commits/:sha', { config: { access }, schema: commit }, async (request, reply) => {
    const call = await RepositoryCall.of(options, request)
    const value = await call.ask('commitObject', { name: byId(call, request.params.sha) })
    const verification = await call.verify(value)
    if (isUnchanged(request, reply, tagOf(value.oid, verification))) return notModified(reply)
    return gitCommitJson(call.urls, value, verification)
  })

  const tag = { tags, summary: 'A tag object', params: ShaParams, response: { 200: GitTagJson, ...errors } }
  routes.get('/repos/:owner/:repo/git/tags/:sha', { config: { access }, schema: tag }, async (request, reply) => {
    const call = await RepositoryCall.of(options, request)
    const value = await call.ask('tagObject', { name: byId(call, request.params.sha) })
    const verification = await call.verify(value)
    if (isUnchanged(request, reply, tagOf(value.oid, verification))) return notModified(reply)
    return gitTagJson(call.urls, value, verification)
  })

  const tree = {
    tags,
    summary: 'A tree object, or all below it',
    params: RestParams,
    querystring: TreeQuery,
    response: { 200: GitTreeJson, ...errors },
  }
  routes.get('/repos/:owner/:repo/git/trees/*', { config: { access, encodedSlash: true }, schema: tree }, async (request) => {
    const call = await RepositoryCall.of(options, request)
    call.assertNotEmpty()
    const isRecursive = request.query.recursive !== undefined
    const answer = await call.ask('listTree', { name: call.named(restOf(request)), isRecursive, ...treeLimits })
    return treeJson(call, answer)
  })

  const blob = { tags, summary: 'A blob object', params: ShaParams, response: { 200: BlobJson, ...errors } }
  routes.get('/repos/:owner/:repo/git/blobs/:sha', { config: { access }, schema: blob }, async (request, reply) =>
    answerBlob(options, request, reply, request.params.sha),
  )
}

export function treeJson({ urls }: RepositoryCall, { entries, isTruncated, oid }: AnswerOf<'listTree'>): GitTreeJson {
  const tree = entries.map(({ mode, oid: sha, path, sizeBytes }) => {
    const type = mode === 0o040000 ? ('tree' as const) : mode === 0o160000 ? ('commit' as const) : ('blob' as const)
    const url = type === 'commit' ? {} : { url: urls.git(`${type}s`, sha) }
    return { path, mode: modeText(mode), type, sha, ...(sizeBytes === null ? {} : { size: sizeBytes }), ...url }
  })
  return { sha: oid, url: urls.git('trees', oid), tree, truncated: isTruncated }
}

async function answerBlob(options: ApiOptions, request: FastifyRequest, reply: FastifyReply, sha: string) {
  const call = await RepositoryCall.of(options, request)
  const isRaw = mediaOf(request) === 'raw'
  const answer = await call.ask('blobObject', { name: byId(call, sha), isRaw, mostBytes: largestBlob })
  const { bytes, content, oid, sizeBytes } = answer
  if (bytes === null && content === null) throw new Refusal(403, 'too-large', 'This API returns blobs up to 100 MB in size')
  if (isUnchanged(request, reply, isRaw ? `${oid}-raw` : oid)) return notModified(reply)
  if (isRaw && bytes !== null) return sendRaw(reply, bytes)
  const document = {
    sha: oid,
    node_id: nodeId('Blob', oid),
    size: sizeBytes,
    url: call.urls.git('blobs', oid),
    encoding: 'base64' as const,
  }
  if (content !== null) return { ...document, content }
  // a large one comes as it stands in the document: this thread has others to answer
  const [head, tail] = [`${JSON.stringify(document).slice(0, -1)},"content":"`, '"}']
  const parts = [Buffer.from(head), bytes as Uint8Array, Buffer.from(tail)]
  return reply.type('application/json; charset=utf-8').send(Readable.from(parts))
}

/** A file's bytes as they are: never as a page of this host's. */
export function sendRaw(reply: FastifyReply, bytes: Uint8Array): FastifyReply {
  return reply
    .type('application/vnd.github.raw; charset=utf-8')
    .header('x-content-type-options', 'nosniff')
    .header('content-security-policy', "default-src 'none'; sandbox")
    .send(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))
}

/** Only whole ids name objects here. */
export function byId(call: RepositoryCall, sha: string) {
  if (!/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/i.test(sha)) throw badSha()
  return call.named(sha)
}

export function badSha(): Refusal {
  return new Refusal(422, 'invalid', 'The sha parameter must be exactly 40 characters and contain only [0-9a-f].')
}

export function notModified(reply: FastifyReply) {
  return reply.code(304).send() as never
}
