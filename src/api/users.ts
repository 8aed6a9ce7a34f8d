// /user, /users/{login}, and their lists of repositories (GitHub REST "Users", "Repositories").
import type { FastifyReply, FastifyRequest } from 'fastify'
import Type, { type Static } from 'typebox'
import {
  type Account,
  accountOf,
  callerOf,
  listRepositories,
  may,
  networkSizes,
  onAccount,
  onSelf,
  type Visibility,
} from '../access/index.ts'
import { type Routes, validationFailed } from '../http/index.ts'
import { originOf, ownerJson, repositoryJson, timeJson } from './documents.ts'
import type { ApiOptions } from './index.ts'
import { linkHeader, pageOf } from './paging.ts'
import { ErrorJson, ListQuery, LoginParams, OwnListQuery, RepositoryJson, UserJson } from './schemas.ts'

const tags = ['User']
const listTags = ['Repository']
const errors = { 401: ErrorJson, 404: ErrorJson, 422: ErrorJson }

export function registerUsers(routes: Routes, options: ApiOptions): void {
  const own = { tags, response: { 200: UserJson, 401: ErrorJson } }
  routes.get('/user', { config: { access: onSelf('self:read') }, schema: own }, async (request) =>
    userJson(options, request, accountOf(request), true),
  )

  const other = { tags, params: LoginParams, response: { 200: UserJson, ...errors } }
  routes.get('/users/:login', { config: { access: onAccount('account:read') }, schema: other }, async (request) =>
    userJson(options, request, accountOf(request), false),
  )

  const ownList = { tags: listTags, querystring: OwnListQuery, response: { 200: Type.Array(RepositoryJson), ...errors } }
  routes.get('/user/repos', { config: { access: onSelf('self:read') }, schema: ownList }, async (request, reply) => {
    const { query } = request
    if (query.type !== undefined && (query.visibility !== undefined || query.affiliation !== undefined)) {
      throw validationFailed([{ field: 'type', code: 'invalid', message: 'type can’t stand beside visibility or affiliation' }])
    }
    // Nobody is a collaborator or a member of anything yet.
    const isOwnerLeftOut = query.type === 'member' || (query.affiliation !== undefined && !query.affiliation.split(',').includes('owner'))
    if (isOwnerLeftOut) return []
    const visibility = [query.visibility, query.type].find((value) => value === 'public' || value === 'private')
    return list(options, request, reply, { account: accountOf(request), visibility, query })
  })

  const otherList = {
    tags: listTags,
    params: LoginParams,
    querystring: ListQuery,
    response: { 200: Type.Array(RepositoryJson), ...errors },
  }
  routes.get('/users/:login/repos', { config: { access: onAccount('account:read') }, schema: otherList }, async (request, reply) => {
    const { query } = request
    if (query.type === 'member') return []
    const account = accountOf(request)
    const seesPrivate = may(request.identity, 'repository:read', { kind: 'repository', ownerId: account.id, visibility: 'private' })
    return list(options, request, reply, {
      account,
      visibility: seesPrivate ? undefined : 'public',
      query: { sort: 'full_name', ...query },
    })
  })
}

interface ListRequest {
  readonly account: Account
  readonly visibility: Visibility | undefined
  readonly query: Static<typeof ListQuery> | Static<typeof OwnListQuery>
}

async function list(
  { db, publicUrl }: ApiOptions,
  request: FastifyRequest,
  reply: FastifyReply,
  wanted: ListRequest,
): Promise<RepositoryJson[]> {
  const { account, visibility, query } = wanted
  const page = pageOf(query)
  const sort = query.sort ?? 'full_name'
  const { repositories, total } = await listRepositories(db.queries, {
    ownerId: account.id,
    ...(visibility === undefined ? {} : { visibility }),
    sort,
    direction: query.direction ?? (sort === 'full_name' ? 'asc' : 'desc'),
    ...page,
  })
  const sizes = await networkSizes(
    db.queries,
    repositories.map((repository) => repository.networkId),
  )
  const origin = originOf(request, publicUrl)
  const link = linkHeader(`${origin}${request.raw.url ?? ''}`, page, total)
  if (link !== null) reply.header('link', link)
  return repositories.map((repository) => repositoryJson(origin, repository, request.identity, sizes.get(repository.networkId) ?? 0))
}

async function userJson({ db, publicUrl }: ApiOptions, request: FastifyRequest, account: Account, isSelf: boolean): Promise<UserJson> {
  const count = async (visibility: Visibility) =>
    (await listRepositories(db.queries, { ownerId: account.id, visibility, sort: 'created', direction: 'asc', page: 1, perPage: 1 })).total
  const privateCount = isSelf && callerOf(request) ? await count('private') : undefined
  const created = timeJson(account.createdAt)
  return {
    ...ownerJson(originOf(request, publicUrl), account),
    name: null,
    public_repos: await count('public'),
    ...(privateCount === undefined ? {} : { total_private_repos: privateCount, owned_private_repos: privateCount }),
    created_at: created,
    updated_at: created,
  }
}
