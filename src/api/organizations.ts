// /orgs/{org} and the organisations that somebody belongs to (GitHub REST "Organizations"). POST /user/orgs is ours: GitHub has only
// its Enterprise Server's /admin/organizations, which is for administrators.
import type { FastifyReply, FastifyRequest } from 'fastify'
import Type from 'typebox'
import {
  type Account,
  accountOf,
  actorOf,
  changeAccount,
  createOrganization,
  deleteAccount,
  listAccounts,
  listMemberships,
  listRepositories,
  onAccount,
  onOrganization,
  onSelf,
} from '../access/index.ts'
import { notFound, type Routes } from '../http/index.ts'
import { originOf, timeJson } from './documents.ts'
import { rethrowAsFault } from './faults.ts'
import type { ApiOptions } from './index.ts'
import { cut, pageOf, tellPages } from './paging.ts'
import { organizationJson } from './people-documents.ts'
import {
  FullOrganizationJson,
  NewOrganizationJson,
  OrganizationChangeJson,
  OrganizationJson,
  PageQuery,
  SinceQuery,
} from './people-schemas.ts'
import { ErrorJson, LoginParams, OrganizationParams } from './schemas.ts'
import { tellNext } from './since.ts'

const tags = ['Organization']
const errors = { 401: ErrorJson, 403: ErrorJson, 404: ErrorJson, 422: ErrorJson }

export function registerOrganizations(routes: Routes, options: ApiOptions): void {
  registerLists(routes, options)
  const { db } = options

  const creation = {
    tags,
    summary: 'Makes an organization, which the caller administers (Stemma’s own)',
    body: NewOrganizationJson,
    response: { 201: FullOrganizationJson, ...errors },
  }
  routes.post('/user/orgs', { config: { access: onSelf('organization:create') }, schema: creation }, async (request, reply) => {
    const { login, name = null } = request.body
    const wanted = { login, displayName: name, firstAdmin: accountOf(request).id, actor: actorOf(request) }
    const made = await createOrganization(db, wanted).catch(rethrowAsFault())
    return reply.code(201).send(await fullOrganization(options, request, made))
  })

  const reading = { tags, summary: 'An organization', params: OrganizationParams, response: { 200: FullOrganizationJson, ...errors } }
  routes.get('/orgs/:org', { config: { access: onOrganization('account:read') }, schema: reading }, async (request) =>
    fullOrganization(options, request, accountOf(request)),
  )

  const access = onOrganization('organization:administer')
  const changing = {
    tags,
    summary: 'Changes an organization',
    params: OrganizationParams,
    body: OrganizationChangeJson,
    response: { 200: FullOrganizationJson, ...errors },
  }
  routes.patch('/orgs/:org', { config: { access }, schema: changing }, async (request) => {
    const { name: displayName, email } = request.body
    const change = { ...(displayName === undefined ? {} : { displayName }), ...(email === undefined ? {} : { email }) }
    const changed = await changeAccount(db, accountOf(request).id, change, actorOf(request))
    if (changed === null) throw notFound()
    return fullOrganization(options, request, changed)
  })

  const deletion = {
    tags,
    summary: 'Deletes an organization that has no repositories',
    params: OrganizationParams,
    response: { 202: Type.Object({}), ...errors },
  }
  routes.delete('/orgs/:org', { config: { access }, schema: deletion }, async (request, reply) => {
    const isGone = await deleteAccount(db, accountOf(request).id, actorOf(request)).catch(
      rethrowAsFault('Validation Failed', { login: 'org' }),
    )
    if (!isGone) throw notFound()
    return reply.code(202).send({})
  })
}

function registerLists(routes: Routes, options: ApiOptions): void {
  const { db, publicUrl } = options

  const every = {
    tags,
    summary: 'All organizations, in the order in which they were made',
    querystring: SinceQuery,
    response: { 200: Type.Array(OrganizationJson), ...errors },
  }
  routes.get('/organizations', { config: { access: onSelf('self:read') }, schema: every }, async (request, reply) => {
    const { perPage } = pageOf(request.query)
    const found = await listAccounts(db.queries, { kind: 'organization', since: request.query.since ?? 0, most: perPage })
    tellNext(request, reply, publicUrl, found, perPage)
    return found.map((account) => organizationJson(originOf(request, publicUrl), account))
  })

  const response = { 200: Type.Array(OrganizationJson), ...errors }
  const list = async (request: FastifyRequest, reply: FastifyReply, query: { page?: number; per_page?: number }) => {
    const all = await listMemberships(db.queries, request.identity, accountOf(request).id)
    const page = pageOf(query)
    tellPages(request, reply, publicUrl, page, all.length)
    return cut(all, page).map(({ organization }) => organizationJson(originOf(request, publicUrl), organization))
  }
  const own = { tags, summary: 'Organizations that the caller belongs to', querystring: PageQuery, response }
  routes.get('/user/orgs', { config: { access: onSelf('self:read') }, schema: own }, async (request, reply) =>
    list(request, reply, request.query),
  )
  const summary = 'Organizations that a user belongs to, as far as the caller may know: his own, too'
  const ofUser = { tags, summary, params: LoginParams, querystring: PageQuery, response }
  routes.get('/users/:login/orgs', { config: { access: onAccount('account:read') }, schema: ofUser }, async (request, reply) =>
    list(request, reply, request.query),
  )
}

export async function fullOrganization(
  { db, publicUrl }: ApiOptions,
  request: FastifyRequest,
  account: Account,
): Promise<FullOrganizationJson> {
  const origin = originOf(request, publicUrl)
  const counted = { of: { ownerId: account.id }, visibility: 'public', sort: 'created', direction: 'asc', page: 1, perPage: 1 } as const
  const { total } = await listRepositories(db.queries, request.identity, counted)
  const created = timeJson(account.createdAt)
  return {
    ...organizationJson(origin, account),
    name: account.displayName,
    email: account.email,
    html_url: `${origin}/${account.login}`,
    type: 'Organization',
    public_repos: total,
    created_at: created,
    updated_at: created,
  }
}
