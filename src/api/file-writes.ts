// PUT and DELETE /repos/{owner}/{repo}/contents/{path}: a file changed by a commit (GitHub REST "Repository contents"). The file's id is compared and
// swapped: 409 where another one is there. That the branch moved for another reason meanwhile is no conflict.
import type { FastifyRequest } from 'fastify'
import { onRepository } from '../access/index.ts'
import { type Content, type FileResult, type NewCommit, type ObjectId, unsigned } from '../git/index.ts'
import { Refusal, type Routes } from '../http/index.ts'
import { commonJson } from './contents.ts'
import { RepositoryCall, restOf, treePath } from './repository-call.ts'
import { gitCommitJson } from './git-documents.ts'
import { assertRefName, mostTries } from './git-ref-writes.ts'
import { RestParams } from './git-schemas.ts'
import { FileChangeJson, FileCommitJson, FileDeletionJson, type SignerJson } from './git-write-schemas.ts'
import { asRefusal, assertText, bodyLimit, invalid, isLost, refusalOf, signerOf } from './git-writing.ts'
import type { ApiOptions } from './index.ts'
import { ErrorJson } from './schemas.ts'

const tags = ['Contents']
const errors = { 401: ErrorJson, 403: ErrorJson, 404: ErrorJson, 409: ErrorJson, 422: ErrorJson }
const config = { access: onRepository('repository:push'), encodedSlash: true }
const url = '/repos/:owner/:repo/contents/*'

interface FileBody {
  readonly message: string
  readonly branch?: string
  readonly author?: SignerJson
  readonly committer?: SignerJson
}

export function registerFileWrites(routes: Routes, options: ApiOptions): void {
  const change = {
    tags,
    summary: 'Makes or changes a file, as a commit',
    params: RestParams,
    body: FileChangeJson,
    response: { 200: FileCommitJson, 201: FileCommitJson, ...errors },
  }
  routes.put(url, { config, bodyLimit, schema: change }, async (request, reply) => {
    const { content, sha = null } = request.body
    const { call, path, result, sizeBytes } = await write(options, request, request.body, sha, { base64: content })
    const document = {
      content: {
        ...commonJson(call.urls, { type: 'file', path, oid: result.oid ?? '', ref: branchOf(call, request.body), sizeBytes }),
        type: 'file' as const,
      },
      commit: gitCommitJson(call.urls, result.commit, unsigned),
    }
    return reply.code(result.wasThere ? 200 : 201).send(document)
  })

  const deletion = {
    tags,
    summary: 'Deletes a file, as a commit',
    params: RestParams,
    body: FileDeletionJson,
    response: { 200: FileCommitJson, ...errors },
  }
  routes.delete(url, { config, schema: deletion }, async (request) => {
    const { call, result } = await write(options, request, request.body, request.body.sha, null)
    return { content: null, commit: gitCommitJson(call.urls, result.commit, unsigned) }
  })
}

function branchOf(call: RepositoryCall, { branch }: FileBody): string {
  return branch?.replace(/^refs\/heads\//, '') ?? call.defaultBranch
}

async function write(options: ApiOptions, request: FastifyRequest, body: FileBody, sha: string | null, content: Content | null) {
  const path = treePath(restOf(request))
  if (path === null || path === '') throw invalid('path', 'is no path of a file')
  const author = signerOf(options, request, body.author ?? body.committer, 'author')
  const commit: NewCommit = {
    message: assertText(body.message, 'message'),
    author,
    committer:
      body.committer === undefined && body.author === undefined
        ? author
        : signerOf(options, request, body.committer ?? body.author, 'committer'),
    signature: null,
  }
  for (let tries = 1; ; tries++) {
    const call = await (tries === 1 ? RepositoryCall.of(options, request) : RepositoryCall.now(options, request))
    const ref = `refs/heads/${branchOf(call, body)}`
    assertRefName(ref)
    const tip = call.view.refs.byName.get(ref)?.oid ?? null
    if (tip === null && !call.isEmpty) throw new Refusal(404, 'not-found', `Branch ${branchOf(call, body)} not found`)
    const task = { tip, path, expected: sha as ObjectId | null, content, commit }
    const { outcome, result } = await options.git.composer
      .push(request, call.view, { kind: 'file', task, named: [] }, (made: FileResult) => [{ ref, old: tip, fresh: made.commit.oid }])
      .catch((error: unknown) => {
        throw asRefusal(error)
      })
    if (tries < mostTries && isLost(outcome)) continue
    const refusal = refusalOf(outcome)
    if (refusal) throw refusal
    return { call, path, result, sizeBytes: result.sizeBytes }
  }
}
