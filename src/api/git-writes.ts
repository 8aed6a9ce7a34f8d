// POST /repos/{owner}/{repo}/git/{blobs,trees,commits,tags}: objects one by one (GitHub REST "Git database"). No ref reaches them yet (docs/design/api-writes.md).
import type { FastifyReply, FastifyRequest } from 'fastify'
import { onRepository } from '../access/index.ts'
import { type Kind, type ObjectId, parseKindName, type ResultOf, type TaskOf } from '../git/index.ts'
import type { Routes } from '../http/index.ts'
import { RepositoryCall } from './repository-call.ts'
import { treeJson, treeLimits } from './git-data.ts'
import { gitCommitJson, gitTagJson } from './git-documents.ts'
import { assertRefName } from './git-ref-writes.ts'
import { GitCommitJson, GitTagJson, GitTreeJson } from './git-schemas.ts'
import { BlobMadeJson, NewBlobJson, NewCommitJson, NewTagJson, NewTreeJson } from './git-write-schemas.ts'
import { asRefusal, assertText, bodyLimit, invalid, signerOf } from './git-writing.ts'
import type { ApiOptions } from './index.ts'
import { ErrorJson, RepositoryParams } from './schemas.ts'

const tags = ['Git']
const errors = { 401: ErrorJson, 403: ErrorJson, 404: ErrorJson, 409: ErrorJson, 422: ErrorJson }
const config = { access: onRepository('repository:push') }
const params = RepositoryParams

type Kinds = 'blob' | 'tree' | 'commit' | 'tag'

export function registerGitWrites(routes: Routes, options: ApiOptions): void {
  const blob = { tags, summary: 'Makes a blob object', params, body: NewBlobJson, response: { 201: BlobMadeJson, ...errors } }
  routes.post('/repos/:owner/:repo/git/blobs', { config, bodyLimit, schema: blob }, async (request, reply) => {
    const call = await RepositoryCall.of(options, request)
    const { content, encoding = 'utf-8' } = request.body
    const task = { content: encoding === 'base64' ? { base64: content } : { text: wellFormed(content, 'content') } }
    const { oid } = await make(options, request, call, 'blob', task, [])
    const url = call.urls.git('blobs', oid)
    return created(reply, url, { url, sha: oid })
  })

  const tree = { tags, summary: 'Makes a tree object', params, body: NewTreeJson, response: { 201: GitTreeJson, ...errors } }
  routes.post('/repos/:owner/:repo/git/trees', { config, bodyLimit, schema: tree }, async (request, reply) => {
    const call = await RepositoryCall.of(options, request)
    const { task, named } = treeTask(request.body)
    const { oid } = await make(options, request, call, 'tree', task, named)
    // read back as anybody will read it
    const now = await RepositoryCall.now(options, request)
    const answer = await now.ask('listTree', { name: now.named(oid), isRecursive: false, ...treeLimits })
    return created(reply, call.urls.git('trees', oid), treeJson(now, answer))
  })

  const commit = { tags, summary: 'Makes a commit object', params, body: NewCommitJson, response: { 201: GitCommitJson, ...errors } }
  routes.post('/repos/:owner/:repo/git/commits', { config, schema: commit }, async (request, reply) => {
    const call = await RepositoryCall.of(options, request)
    const { author, committer, message, parents = [], signature = null, tree: root } = request.body
    const by = signerOf(options, request, author, 'author')
    const words = {
      message: assertText(message, 'message'),
      author: by,
      committer: committer === undefined ? by : signerOf(options, request, committer, 'committer'),
      signature,
    }
    const task = { tree: root as ObjectId, parents: parents as ObjectId[], commit: words }
    const made = await make(options, request, call, 'commit', task, [root, ...parents])
    return created(reply, call.urls.git('commits', made.oid), gitCommitJson(call.urls, made, await call.verify(made)))
  })

  const tag = { tags, summary: 'Makes a tag object', params, body: NewTagJson, response: { 201: GitTagJson, ...errors } }
  routes.post('/repos/:owner/:repo/git/tags', { config, schema: tag }, async (request, reply) => {
    const call = await RepositoryCall.of(options, request)
    const { message, object, tag: name, tagger, type } = request.body
    assertRefName(`refs/tags/${name}`)
    const task = {
      name,
      message: assertText(message, 'message'),
      object: object as ObjectId,
      kind: parseKindName(type) as Kind,
      tagger: signerOf(options, request, tagger, 'tagger'),
    }
    const made = await make(options, request, call, 'tag', task, [object])
    return created(reply, call.urls.git('tags', made.oid), gitTagJson(call.urls, made, await call.verify(made)))
  })
}

async function make<K extends Kinds>(
  { git }: ApiOptions,
  request: FastifyRequest,
  call: RepositoryCall,
  kind: K,
  task: TaskOf<K>,
  named: readonly string[],
): Promise<ResultOf<K>> {
  try {
    return await git.composer.make(request, call.view, { kind, task, named: named as readonly ObjectId[] })
  } catch (error) {
    throw asRefusal(error)
  }
}

function created<T>(reply: FastifyReply, url: string, document: T): T {
  reply.code(201).header('location', url)
  return document
}

function treeTask({ base_tree: base, tree }: NewTreeJson): { task: TaskOf<'tree'>; named: string[] } {
  const named = base === undefined ? [] : [base]
  const entries = tree.map((entry, i) => {
    const field = `tree.${i}`
    const { content, mode, path, sha } = entry
    assertText(path, `${field}.path`)
    if ((sha === undefined) === (content === undefined)) throw invalid(field, 'must supply either tree.sha or tree.content')
    if (content !== undefined && (mode === '040000' || mode === '160000')) throw invalid(field, 'has content and the mode of a folder')
    if (typeof sha === 'string') named.push(sha)
    const placed =
      content === undefined ? (sha === null ? null : { oid: sha as ObjectId }) : { text: wellFormed(content, `${field}.content`) }
    return { path, mode: Number.parseInt(mode, 8), content: placed }
  })
  return { task: { base: (base ?? null) as ObjectId | null, entries }, named }
}

/** What a file holds may be anything that is text. */
function wellFormed(text: string, field: string): string {
  if (!text.isWellFormed()) throw invalid(field, 'holds characters that are no text')
  return text
}
