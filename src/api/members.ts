// /orgs/{org}/members and /memberships (GitHub REST "Organization members"). A member's role has three degrees here, as `permission`; in GitHub's own
// words `admin` is our admin, `member` one of the others. Nobody is invited: whoever is added is a member.
import Type, { type Static } from 'typebox'
import {
  type Account,
  accountOf,
  actorOf,
  findAccount,
  listMembers,
  listMemberships,
  memberRole,
  onOrganization,
  onSelf,
  type Role,
  setMember,
} from '../access/index.ts'
import type { FastifyRequest } from 'fastify'
import { notFound, type Routes, validationFailed } from '../http/index.ts'
import { originOf, ownerJson } from './documents.ts'
import { rethrowAsFault } from './faults.ts'
import type { ApiOptions } from './index.ts'
import { cut, pageOf, tellPages } from './paging.ts'
import { accountNamed, membershipJson } from './people-documents.ts'
import { MemberListQuery, MemberParams, MembershipChangeJson, MembershipJson, OwnMembershipQuery } from './people-schemas.ts'
import { ErrorJson, OrganizationParams, OwnerJson } from './schemas.ts'

const tags = ['Member']
const errors = { 401: ErrorJson, 403: ErrorJson, 404: ErrorJson, 422: ErrorJson }
const roles = { all: undefined, admin: ['admin'], member: ['read', 'write'] } as const

export function registerMembers(routes: Routes, options: ApiOptions): void {
  registerMemberLists(routes, options)
  registerOwnMemberships(routes, options)
  const { db } = options
  const administer = { access: onOrganization('organization:administer') }

  const reading = { tags, summary: 'A membership', params: MemberParams, response: { 200: MembershipJson, ...errors } }
  const url = '/orgs/:org/memberships/:username'
  routes.get(url, { config: { access: onOrganization('organization:read') }, schema: reading }, async (request) => {
    const user = await accountNamed(options, request, request.params.username)
    const role = await memberRole(db.queries, accountOf(request).id, user.id)
    if (role === null) throw notFound()
    return membershipJson(options, request, accountOf(request), user, role)
  })

  const setting = {
    tags,
    summary: 'Makes a user a member, or gives a member another role',
    params: MemberParams,
    body: MembershipChangeJson,
    response: { 200: MembershipJson, ...errors },
  }
  routes.put(url, { config: administer, schema: setting }, async (request) => {
    const organization = accountOf(request)
    const user = await accountNamed(options, request, request.params.username)
    const role = roleOf(request.body, await memberRole(db.queries, organization.id, user.id))
    await setMember(db, organization, user, role, actorOf(request)).catch(rethrowAsFault())
    return membershipJson(options, request, organization, user, role)
  })

  const removal = { tags, summary: 'Ends a membership', params: MemberParams, response: { 204: Type.Null(), ...errors } }
  for (const path of [url, '/orgs/:org/members/:username']) {
    routes.delete(path, { config: administer, schema: removal }, async (request, reply) => {
      await leave(options, request, accountOf(request), await accountNamed(options, request, request.params.username))
      return reply.code(204).send(null)
    })
  }
}

/** Both words may be left out: then a member stays what he is, and who is new reads. */
function roleOf({ role, permission }: Static<typeof MembershipChangeJson>, present: Role | null): Role {
  if (permission === undefined)
    return role === 'admin' ? 'admin' : present === null || (present === 'admin' && role === 'member') ? 'read' : present
  if (role !== undefined && (role === 'admin') !== (permission === 'admin')) {
    throw validationFailed([{ field: 'permission', code: 'invalid', message: 'role and permission contradict each other' }])
  }
  return permission
}

async function leave({ db }: ApiOptions, request: FastifyRequest, organization: Account, user: Account): Promise<void> {
  const isGone = user.kind === 'user' && (await setMember(db, organization, user, null, actorOf(request)).catch(rethrowAsFault()))
  if (!isGone) throw notFound()
}

function registerMemberLists(routes: Routes, options: ApiOptions): void {
  const { db, publicUrl } = options
  const config = { access: onOrganization('organization:read') }
  const listing = {
    tags,
    summary: 'Members of an organization, by login',
    params: OrganizationParams,
    querystring: MemberListQuery,
    response: { 200: Type.Array(OwnerJson), ...errors },
  }
  routes.get('/orgs/:org/members', { config, schema: listing }, async (request, reply) => {
    const page = pageOf(request.query)
    const wanted = roles[request.query.role ?? 'all']
    const { members, total } = await listMembers(db.queries, accountOf(request).id, { ...page, ...(wanted ? { roles: wanted } : {}) })
    tellPages(request, reply, publicUrl, page, total)
    return members.map(({ account }) => ownerJson(originOf(request, publicUrl), account))
  })

  const asking = {
    tags,
    summary: 'Whether a user is a member: 204 or 404',
    params: MemberParams,
    response: { 204: Type.Null(), ...errors },
  }
  routes.get('/orgs/:org/members/:username', { config, schema: asking }, async (request, reply) => {
    const user = await accountNamed(options, request, request.params.username)
    if ((await memberRole(db.queries, accountOf(request).id, user.id)) === null) throw notFound()
    return reply.code(204).send(null)
  })
}

function registerOwnMemberships(routes: Routes, options: ApiOptions): void {
  const { db, publicUrl } = options
  const listing = {
    tags,
    summary: 'The caller’s memberships',
    querystring: OwnMembershipQuery,
    response: { 200: Type.Array(MembershipJson), ...errors },
  }
  routes.get('/user/memberships/orgs', { config: { access: onSelf('self:read') }, schema: listing }, async (request, reply) => {
    const user = accountOf(request)
    const all = request.query.state === 'pending' ? [] : await listMemberships(db.queries, request.identity, user.id)
    const page = pageOf(request.query)
    tellPages(request, reply, publicUrl, page, all.length)
    return cut(all, page).map(({ organization, role }) => membershipJson(options, request, organization, user, role))
  })

  const reading = { tags, summary: 'The caller’s membership', params: OrganizationParams, response: { 200: MembershipJson, ...errors } }
  routes.get('/user/memberships/orgs/:org', { config: { access: onSelf('self:read') }, schema: reading }, async (request) => {
    const user = accountOf(request)
    const all = await listMemberships(db.queries, request.identity, user.id)
    const found = all.find(({ organization }) => organization.login.toLowerCase() === request.params.org.toLowerCase())
    if (found === undefined) throw notFound()
    return membershipJson(options, request, found.organization, user, found.role)
  })

  const leaving = {
    tags,
    summary: 'Ends the caller’s own membership (Stemma’s own)',
    params: OrganizationParams,
    response: { 204: Type.Null(), ...errors },
  }
  routes.delete(
    '/user/memberships/orgs/:org',
    { config: { access: onSelf('self:administer') }, schema: leaving },
    async (request, reply) => {
      const organization = await findAccount(db.queries, request.params.org, request.identity)
      if (organization === null || organization.callerRole === null) throw notFound()
      await leave(options, request, organization, accountOf(request))
      return reply.code(204).send(null)
    },
  )
}
