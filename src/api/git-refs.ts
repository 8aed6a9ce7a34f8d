// /repos/{owner}/{repo}/git/ref, /matching-refs, /refs (GitHub REST "Git database", references), to be read.
import type { FastifyReply, FastifyRequest } from 'fastify'
import Type from 'typebox'
import { onRepository } from '../access/index.ts'
import { kindName, type Ref } from '../git/index.ts'
import { notFound, type Routes } from '../http/index.ts'
import { RepositoryCall, restOf, setLink, urlOf } from './repository-call.ts'
import { refJson } from './git-documents.ts'
import { PageQuery, RefJson, RestParams } from './git-schemas.ts'
import type { ApiOptions } from './index.ts'
import { linkHeader, pageOf } from './paging.ts'
import { ErrorJson, RepositoryParams } from './schemas.ts'

const tags = ['Reference']
const errors = { 401: ErrorJson, 403: ErrorJson, 404: ErrorJson, 409: ErrorJson, 422: ErrorJson }

export function registerGitRefs(routes: Routes, options: ApiOptions): void {
  const config = { access: onRepository('repository:read'), encodedSlash: true }
  const one = { tags, summary: 'A ref', params: RestParams, response: { 200: RefJson, ...errors } }
  routes.get('/repos/:owner/:repo/git/ref/*', { config, schema: one }, async (request) => {
    const call = await RepositoryCall.of(options, request)
    call.assertNotEmpty()
    const ref = call.view.refs.byName.get(fullName(restOf(request)))
    if (!ref) throw notFound()
    const [document] = await documentsOf(call, [ref])
    return document as RefJson
  })

  const list = async (request: FastifyRequest, reply: FastifyReply, prefix: string) => {
    const call = await RepositoryCall.of(options, request)
    call.assertNotEmpty()
    const found = call.view.refs.refs.filter(({ name }) => name.startsWith(prefix))
    const page = pageOf(request.query as { page?: number; per_page?: number })
    setLink(reply, linkHeader(urlOf(request, options.publicUrl), page, found.length))
    return await documentsOf(call, found.slice((page.page - 1) * page.perPage, page.page * page.perPage))
  }
  const some = {
    tags,
    summary: 'Refs that begin so',
    params: RestParams,
    querystring: PageQuery,
    response: { 200: Type.Array(RefJson), ...errors },
  }
  routes.get('/repos/:owner/:repo/git/matching-refs/*', { config, schema: some }, async (request, reply) =>
    list(request, reply, fullName(restOf(request))),
  )
  const all = {
    tags,
    summary: 'Refs, by name',
    params: RepositoryParams,
    querystring: PageQuery,
    response: { 200: Type.Array(RefJson), ...errors },
  }
  routes.get('/repos/:owner/:repo/git/refs', { config: { access: config.access }, schema: all }, async (request, reply) =>
    list(request, reply, 'refs/'),
  )
}

/** `heads/x` → `refs/heads/x`; a leading `refs/` is taken, too. */
export function fullName(name: string): string {
  return name.startsWith('refs/') ? name : `refs/${name}`
}

async function documentsOf(call: RepositoryCall, refs: readonly Ref[]): Promise<RefJson[]> {
  const kinds = await call.ask('kindsOf', { names: refs.map(({ oid }) => call.tip(oid)) })
  return refs.flatMap(({ name, oid }, i) => {
    const kind = kinds[i]
    return kind ? [refJson(call.urls, name, oid, kindName(kind))] : []
  })
}
