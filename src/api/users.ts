// /user, /users/{login}, and their lists of repositories (GitHub REST "Users", "Repositories").
import type { FastifyReply, FastifyRequest } from 'fastify'
import Type, { type Static } from 'typebox'
import {
  type Account,
  accountOf,
  accountResource,
  type Affiliation,
  type ListOptions,
  listRepositories,
  may,
  onAccount,
  onOrganization,
  onSelf,
  repositorySizes,
  type Visibility,
} from '../access/index.ts'
import { type Routes, validationFailed } from '../http/index.ts'
import { originOf, ownerJson, placesOf, repositoryJson, timeJson } from './documents.ts'
import type { ApiOptions } from './index.ts'
import { linkHeader, pageOf } from './paging.ts'
import { ErrorJson, ListQuery, LoginParams, OrganizationParams, OwnListQuery, RepositoryJson, UserJson } from './schemas.ts'

const tags = ['User']
const listTags = ['Repository']
const errors = { 401: ErrorJson, 404: ErrorJson, 422: ErrorJson }

export function registerUsers(routes: Routes, options: ApiOptions): void {
  const own = { tags, summary: 'The caller', response: { 200: UserJson, 401: ErrorJson } }
  routes.get('/user', { config: { access: onSelf('self:read') }, schema: own }, async (request) =>
    userJson(options, request, accountOf(request), true),
  )

  const other = { tags, summary: 'A user or an organization', params: LoginParams, response: { 200: UserJson, ...errors } }
  routes.get('/users/:login', { config: { access: onAccount('account:read') }, schema: other }, async (request) =>
    userJson(options, request, accountOf(request), false),
  )

  const ownList = {
    tags: listTags,
    summary: 'Repositories that the caller stands to',
    querystring: OwnListQuery,
    response: { 200: Type.Array(RepositoryJson), ...errors },
  }
  routes.get('/user/repos', { config: { access: onSelf('self:read') }, schema: ownList }, async (request, reply) => {
    const { query } = request
    if (query.type !== undefined && (query.visibility !== undefined || query.affiliation !== undefined)) {
      throw validationFailed([{ field: 'type', code: 'invalid', message: 'type can’t stand beside visibility or affiliation' }])
    }
    const affiliations = query.affiliation === undefined ? affiliationsOf(query.type) : (query.affiliation.split(',') as Affiliation[])
    const visibility = [query.visibility, query.type].find((value) => value === 'public' || value === 'internal' || value === 'private')
    return list(options, request, reply, { of: { affiliations }, visibility, query })
  })

  const ofAccount = {
    tags: listTags,
    summary: 'Repositories of an owner that the caller may read',
    querystring: ListQuery,
    response: { 200: Type.Array(RepositoryJson), ...errors },
  }
  const listOfAccount = async (request: FastifyRequest, reply: FastifyReply, query: Static<typeof ListQuery>) => {
    if (query.type === 'member') return []
    return list(options, request, reply, {
      of: { ownerId: accountOf(request).id },
      visibility: undefined,
      query: { sort: 'full_name', ...query },
    })
  }
  const ofUser = { ...ofAccount, params: LoginParams }
  routes.get('/users/:login/repos', { config: { access: onAccount('account:read') }, schema: ofUser }, async (request, reply) =>
    listOfAccount(request, reply, request.query),
  )
  const ofOrganization = { ...ofAccount, params: OrganizationParams }
  routes.get('/orgs/:org/repos', { config: { access: onOrganization('account:read') }, schema: ofOrganization }, async (request, reply) =>
    listOfAccount(request, reply, request.query),
  )
}

function affiliationsOf(type: Static<typeof OwnListQuery>['type']): readonly Affiliation[] {
  if (type === 'owner') return ['owner']
  return type === 'member' ? ['collaborator', 'organization_member'] : ['owner', 'collaborator', 'organization_member']
}

interface ListRequest {
  readonly of: ListOptions['of']
  readonly visibility: Visibility | undefined
  readonly query: Static<typeof ListQuery> | Static<typeof OwnListQuery>
}

async function list(options: ApiOptions, request: FastifyRequest, reply: FastifyReply, wanted: ListRequest): Promise<RepositoryJson[]> {
  const { db } = options
  const { of, visibility, query } = wanted
  const page = pageOf(query)
  const sort = query.sort ?? 'full_name'
  const { repositories, total } = await listRepositories(db.queries, request.identity, {
    of,
    ...(visibility === undefined ? {} : { visibility }),
    sort,
    direction: query.direction ?? (sort === 'full_name' ? 'asc' : 'desc'),
    ...page,
  })
  const sizes = await repositorySizes(db.queries, repositories)
  const places = placesOf(request, options)
  const link = linkHeader(`${places.origin}${request.raw.url ?? ''}`, page, total)
  if (link !== null) reply.header('link', link)
  return repositories.map((repository) => repositoryJson(places, repository, request.identity, sizes.get(repository.id) ?? 0))
}

export async function userJson(
  { db, publicUrl }: ApiOptions,
  request: FastifyRequest,
  account: Account,
  isSelf: boolean,
): Promise<UserJson> {
  const ofAccount = { of: { ownerId: account.id }, sort: 'created', direction: 'asc', page: 1, perPage: 1 } as const
  const count = async (visibility: Visibility) => (await listRepositories(db.queries, request.identity, { ...ofAccount, visibility })).total
  const privateCount = isSelf ? await count('private') : undefined
  const created = timeJson(account.createdAt)
  return {
    ...ownerJson(originOf(request, publicUrl), account),
    name: account.displayName,
    email: isSelf && may(request.identity, 'self:administer', accountResource(account)) ? account.email : null,
    public_repos: await count('public'),
    ...(privateCount === undefined ? {} : { total_private_repos: privateCount, owned_private_repos: privateCount }),
    created_at: created,
    updated_at: created,
  }
}
