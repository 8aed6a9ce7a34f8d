// /repos/{owner}/{repo}/branches and /tags (GitHub REST "Branches", "Repositories").
import Type from 'typebox'
import { onRepository } from '../access/index.ts'
import { findProtection, type Ref } from '../git/index.ts'
import { Refusal, type Routes } from '../http/index.ts'
import { RepositoryCall, restOf, setLink, urlOf } from './repository-call.ts'
import { commitJson, nodeId } from './git-documents.ts'
import { BranchJson, BranchListQuery, BranchParams, PageQuery, ShortBranchJson, TagJson } from './git-schemas.ts'
import type { ApiOptions } from './index.ts'
import { linkHeader, pageOf } from './paging.ts'
import { ErrorJson, RepositoryParams } from './schemas.ts'

const tags = ['Branch']
const errors = { 401: ErrorJson, 403: ErrorJson, 404: ErrorJson, 409: ErrorJson, 422: ErrorJson }
const access = onRepository('repository:read')
const heads = 'refs/heads/'
const tagFolder = 'refs/tags/'

export function registerBranches(routes: Routes, options: ApiOptions): void {
  const list = {
    tags,
    summary: 'Branches, by name',
    params: RepositoryParams,
    querystring: BranchListQuery,
    response: { 200: Type.Array(ShortBranchJson), ...errors },
  }
  routes.get('/repos/:owner/:repo/branches', { config: { access }, schema: list }, async (request, reply) => {
    const call = await RepositoryCall.of(options, request)
    const isProtected = await findProtection(options.db.queries, call.view.repository)
    const { protected: wanted } = request.query
    const found = call.view.refs.refs.filter(({ name }) => name.startsWith(heads) && (wanted === undefined || isProtected(name) === wanted))
    const page = pageOf(request.query)
    setLink(reply, linkHeader(urlOf(request, options.publicUrl), page, found.length))
    return found
      .slice((page.page - 1) * page.perPage, page.page * page.perPage)
      .map((ref) => shortBranchJson(call, ref, isProtected(ref.name)))
  })

  const one = { tags, summary: 'A branch with its last commit', params: BranchParams, response: { 200: BranchJson, ...errors } }
  routes.get('/repos/:owner/:repo/branches/*', { config: { access, encodedSlash: true }, schema: one }, async (request) => {
    const call = await RepositoryCall.of(options, request)
    const ref = call.view.refs.byName.get(heads + restOf(request))
    if (!ref) throw branchNotFound()
    const isProtected = await findProtection(options.db.queries, call.view.repository)
    return await branchJson(call, ref, isProtected(ref.name))
  })

  const tagList = {
    tags,
    summary: 'Tags, by name',
    params: RepositoryParams,
    querystring: PageQuery,
    response: { 200: Type.Array(TagJson), ...errors },
  }
  routes.get('/repos/:owner/:repo/tags', { config: { access }, schema: tagList }, async (request, reply) => {
    const call = await RepositoryCall.of(options, request)
    // the newest names first, as GitHub
    const found = call.view.refs.refs.filter(({ name }) => name.startsWith(tagFolder)).reverse()
    const page = pageOf(request.query)
    setLink(reply, linkHeader(urlOf(request, options.publicUrl), page, found.length))
    return found.slice((page.page - 1) * page.perPage, page.page * page.perPage).map((ref) => tagJson(call, ref))
  })
}

export function branchNotFound(): Refusal {
  return new Refusal(404, 'not-found', 'Branch not found')
}

function shortBranchJson({ urls }: RepositoryCall, { name, oid }: Ref, isProtected: boolean): ShortBranchJson {
  const commit = { sha: oid, url: urls.commit(oid) }
  return { name: name.slice(heads.length), commit, protected: isProtected }
}

export async function branchJson(call: RepositoryCall, ref: Ref, isProtected: boolean): Promise<BranchJson> {
  const { urls } = call
  const { commit } = await call.ask('showCommit', { name: call.tip(ref.oid), files: null })
  const name = ref.name.slice(heads.length)
  const self = `${urls.api}/branches/${name.split('/').map(encodeURIComponent).join('/')}`
  return {
    name,
    commit: commitJson(urls, commit, await call.verify(commit)),
    _links: { html: urls.page('tree', name), self },
    protected: isProtected,
    protection: { enabled: isProtected, required_status_checks: { enforcement_level: 'off', contexts: [], checks: [] } },
    protection_url: `${self}/protection`,
  }
}

function tagJson({ urls }: RepositoryCall, { name, oid, peeled }: Ref): TagJson {
  const commit = peeled ?? oid
  const archive = (kind: string) => `${urls.api}/${kind}/${name.split('/').map(encodeURIComponent).join('/')}`
  return {
    name: name.slice(tagFolder.length),
    commit: { sha: commit, url: urls.commit(commit) },
    zipball_url: archive('zipball'),
    tarball_url: archive('tarball'),
    node_id: nodeId('Ref', name),
  }
}
