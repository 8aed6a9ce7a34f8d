// /repos/{owner}/{repo}/contents, /readme and /raw: what stands at a path (GitHub REST "Repository contents"). `raw` is ours: where `download_url` leads to.
import type { FastifyReply, FastifyRequest } from 'fastify'
import Type from 'typebox'
import { onRepository } from '../access/index.ts'
import type { Contents } from '../git/index.ts'
import { notFound, Refusal, type Routes } from '../http/index.ts'
import { ContentsJson, FileJson, type FolderEntryJson, RefQuery } from './contents-schemas.ts'
import { RepositoryCall, type GitUrls, mediaOf, restOf, treePath } from './repository-call.ts'
import { sendRaw } from './git-data.ts'
import { RestParams } from './git-schemas.ts'
import type { ApiOptions } from './index.ts'
import { ErrorJson, RepositoryParams } from './schemas.ts'

const tags = ['Contents']
const errors = { 401: ErrorJson, 403: ErrorJson, 404: ErrorJson, 409: ErrorJson, 422: ErrorJson }
/** GitHub's: above the first, no content stands in the document; above the second, there is none. */
const largestShown = 1 << 20
const largest = 100 << 20

type Wanted = 'readme' | 'contents' | 'raw'

export function registerContents(routes: Routes, options: ApiOptions): void {
  const config = { access: onRepository('repository:read'), encodedSlash: true }
  const answer = (wanted: Wanted) => async (request: FastifyRequest, reply: FastifyReply) =>
    (await answerContents(options, request, reply, wanted)) as never
  const response = { 200: ContentsJson, ...errors }
  for (const url of ['/repos/:owner/:repo/contents', '/repos/:owner/:repo/contents/*']) {
    const params = url.endsWith('*') ? RestParams : RepositoryParams
    routes.get(
      url,
      { config, schema: { tags, summary: 'A file, or what a folder holds', params, querystring: RefQuery, response } },
      answer('contents'),
    )
  }
  for (const url of ['/repos/:owner/:repo/readme', '/repos/:owner/:repo/readme/*']) {
    const params = url.endsWith('*') ? RestParams : RepositoryParams
    const schema = {
      tags,
      summary: 'The readme of the repository, or of a folder',
      params,
      querystring: RefQuery,
      response: { 200: FileJson, ...errors },
    }
    routes.get(url, { config, schema }, answer('readme'))
  }
  const raw = {
    tags,
    summary: 'A file’s bytes (Stemma’s own)',
    params: RestParams,
    querystring: RefQuery,
    response: { 200: Type.Unknown(), ...errors },
  }
  routes.get('/repos/:owner/:repo/raw/*', { config, schema: raw }, answer('raw'))
}

async function answerContents(options: ApiOptions, request: FastifyRequest, reply: FastifyReply, wanted: Wanted) {
  const call = await RepositoryCall.of(options, request)
  if (call.isEmpty) throw new Refusal(404, 'not-found', 'This repository is empty.')
  const { ref } = request.query as { ref?: string }
  const path = treePath(restOf(request))
  if (path === null) throw notFound()
  const name = call.named(ref ?? 'HEAD', () => new Refusal(404, 'not-found', `No commit found for the ref ${ref}`))
  const media = mediaOf(request)
  const isRaw = wanted === 'raw' || media === 'raw'
  const limits = { mostBytes: isRaw ? largest : largestShown, isRaw }
  const contents =
    wanted === 'readme'
      ? await call.ask('readReadme', { name, folder: path, ...limits })
      : await call.ask('readContents', { name, path, followsLinks: true, ...limits })
  const shownRef = ref ?? call.defaultBranch
  if (contents.type === 'file' && contents.sizeBytes > largest) {
    throw new Refusal(403, 'too-large', 'This API returns files up to 100 MB in size')
  }
  if (isRaw && contents.type === 'file' && contents.bytes !== null) {
    reply.header('etag', `"${contents.oid}-raw"`)
    return sendRaw(reply, contents.bytes) as never
  }
  if (wanted === 'raw') throw notFound()
  return contentsJson(call.urls, contents, shownRef, media === 'object')
}

/** @param isObject a folder as an object, not as a list */
export function contentsJson(urls: GitUrls, contents: Contents, ref: string, isObject: boolean) {
  const { oid, path, type } = contents
  switch (type) {
    case 'file': {
      const content = contents.content ?? ''
      const encoding = contents.content === null ? ('none' as const) : ('base64' as const)
      return { type, ...commonJson(urls, { type, path, oid, ref, sizeBytes: contents.sizeBytes }), content, encoding }
    }
    case 'symlink':
      return { type, ...commonJson(urls, { type, path, oid, ref, sizeBytes: contents.sizeBytes }), target: contents.target ?? '' }
    case 'submodule':
      return { type, ...commonJson(urls, { type, path, oid, ref, sizeBytes: 0 }), submodule_git_url: contents.url ?? '' }
    case 'dir': {
      const entries = contents.entries.map((entry): FolderEntryJson => {
        const kind = typeOf(entry.mode)
        const facts = { type: kind, path: entry.path, oid: entry.oid, ref, sizeBytes: entry.sizeBytes ?? 0 }
        // in lists a submodule is a file without a size: GitHub keeps it so for old clients
        const shown = kind === 'submodule' && !isObject ? 'file' : kind
        return { ...commonJson(urls, facts), type: shown, ...(entry.url === null ? {} : { submodule_git_url: entry.url }) }
      })
      return isObject ? { type, ...commonJson(urls, { type, path, oid, ref, sizeBytes: 0 }), entries } : entries
    }
  }
}

interface EntryFacts {
  readonly type: 'file' | 'dir' | 'symlink' | 'submodule'
  readonly path: string
  readonly oid: string
  readonly ref: string
  readonly sizeBytes: number
}

export function commonJson(urls: GitUrls, { oid, path, ref, sizeBytes, type }: EntryFacts) {
  const self = urls.contents(path, ref)
  const html = type === 'submodule' ? null : urls.page(type === 'dir' ? 'tree' : 'blob', ref, path)
  const git = type === 'submodule' ? null : urls.git(type === 'dir' ? 'trees' : 'blobs', oid)
  return {
    name: path.slice(path.lastIndexOf('/') + 1),
    path,
    sha: oid,
    size: sizeBytes,
    url: self,
    html_url: html,
    git_url: git,
    download_url: type === 'file' || type === 'symlink' ? urls.raw(path, ref) : null,
    _links: { self, git, html },
  }
}

export function typeOf(mode: number): EntryFacts['type'] {
  switch (mode) {
    case 0o040000:
      return 'dir'
    case 0o120000:
      return 'symlink'
    case 0o160000:
      return 'submodule'
    default:
      return 'file'
  }
}
