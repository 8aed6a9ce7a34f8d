// /user/tokens and /repos/{owner}/{repo}/tokens: tokens made, listed and ended. Stemma's own: GitHub makes them in its pages alone. The secret of a
// token stands in the answer to its making and nowhere else.
import type { FastifyRequest } from 'fastify'
import Type, { type Static } from 'typebox'
import {
  accountOf,
  actorOf,
  callerOf,
  delegateToken,
  findAccount,
  findRepository,
  fullName,
  type Grant,
  listTokens,
  mayRead,
  namesOfGrants,
  type NewToken,
  onRepository,
  onSelf,
  repositoryOf,
  revokeTokenById,
  scopes as allScopes,
  type TokenFacts,
} from '../access/index.ts'
import { notFound, type Routes, validationFailed } from '../http/index.ts'
import { timeJson } from './documents.ts'
import { rethrowAsFault } from './faults.ts'
import type { ApiOptions } from './index.ts'
import { ErrorJson, RepositoryParams } from './schemas.ts'
import {
  DeployTokenJson,
  DeployTokenParams,
  MadeDeployTokenJson,
  MadeTokenJson,
  NewDeployTokenJson,
  NewTokenJson,
  TokenJson,
  TokenParams,
} from './token-schemas.ts'

const tags = ['Token']
const errors = { 401: ErrorJson, 403: ErrorJson, 404: ErrorJson, 422: ErrorJson }

export function registerTokens(routes: Routes, options: ApiOptions): void {
  registerDeployTokens(routes, options)
  const { db } = options
  const config = { access: onSelf('self:administer') }

  const listing = { tags, summary: 'The caller’s tokens (Stemma’s own)', response: { 200: Type.Array(TokenJson), ...errors } }
  routes.get('/user/tokens', { config, schema: listing }, async (request) => {
    const found = await listTokens(db.queries, { account: accountOf(request).login })
    return tokensJson(options, request, found)
  })

  const summary = 'Makes a token, no stronger than the one that asks for it (Stemma’s own)'
  const creation = { tags, summary, body: NewTokenJson, response: { 201: MadeTokenJson, ...errors } }
  routes.post('/user/tokens', { config, schema: creation }, async (request, reply) => {
    const { id: accountId, login } = accountOf(request)
    const wanted = { kind: 'personal', bearer: { kind: 'account', accountId, login }, grant: await grantIn(options, request) } as const
    const { id, secret } = await issue(options, request, wanted)
    const made = (await listTokens(db.queries, { account: login })).find((token) => token.id === id)
    const [document] = await tokensJson(options, request, made === undefined ? [] : [made])
    if (document === undefined) throw notFound()
    return reply.code(201).send({ ...document, token: secret })
  })

  const ending = { tags, summary: 'Ends a token at once (Stemma’s own)', params: TokenParams, response: { 204: Type.Null(), ...errors } }
  routes.delete('/user/tokens/:id', { config, schema: ending }, async (request, reply) => {
    const bearer = { accountId: accountOf(request).id }
    const isGone = await db.transaction((tx) => revokeTokenById(tx, request.params.id, bearer, actorOf(request)))
    if (!isGone) throw notFound()
    return reply.code(204).send(null)
  })
}

function registerDeployTokens(routes: Routes, options: ApiOptions): void {
  const { db } = options
  const config = { access: onRepository('repository:administer') }
  const url = '/repos/:owner/:repo/tokens'

  const listing = {
    tags,
    summary: 'The repository’s own tokens: of deployments, and of CI jobs under way (Stemma’s own)',
    params: RepositoryParams,
    response: { 200: Type.Array(DeployTokenJson), ...errors },
  }
  routes.get(url, { config, schema: listing }, async (request) =>
    (await listTokens(db.queries, { repositoryId: repositoryOf(request).id })).map(plainTokenJson),
  )

  const creation = {
    tags,
    summary: 'Makes a token that is good for this repository alone (Stemma’s own)',
    params: RepositoryParams,
    body: NewDeployTokenJson,
    response: { 201: MadeDeployTokenJson, ...errors },
  }
  routes.post(url, { config, schema: creation }, async (request, reply) => {
    const repository = repositoryOf(request)
    const { scopes = ['repository:read'] } = request.body
    const { id: repositoryId, ownerId } = repository
    const bearer = { kind: 'repository', repositoryId, ownerId, fullName: fullName(repository) } as const
    const grant = { scopes: [...new Set(scopes)], ownerIds: null, repositoryIds: [repositoryId] }
    const { id, secret } = await issue(options, request, { kind: 'deploy', bearer, grant })
    const made = (await listTokens(db.queries, { repositoryId })).find((token) => token.id === id)
    if (made === undefined) throw notFound()
    return reply.code(201).send({ ...plainTokenJson(made), token: secret })
  })

  const ending = {
    tags,
    summary: 'Ends a token of the repository at once (Stemma’s own)',
    params: DeployTokenParams,
    response: { 204: Type.Null(), ...errors },
  }
  routes.delete(`${url}/:id`, { config, schema: ending }, async (request, reply) => {
    const bearer = { repositoryId: repositoryOf(request).id }
    const isGone = await db.transaction((tx) => revokeTokenById(tx, request.params.id, bearer, actorOf(request)))
    if (!isGone) throw notFound()
    return reply.code(204).send(null)
  })
}

async function issue(
  { clock, db, randomness }: ApiOptions,
  request: FastifyRequest,
  wanted: Pick<NewToken, 'kind' | 'bearer' | 'grant'>,
): Promise<{ id: number; secret: string }> {
  const { name, expires_at } = request.body as Static<typeof NewDeployTokenJson>
  const token = { ...wanted, name, expiresAt: expiryOf(expires_at ?? null, clock.now()), actor: actorOf(request) }
  return db.transaction((tx) => delegateToken(tx, callerOf(request), token, randomness)).catch(rethrowAsFault())
}

function expiryOf(text: string | null, nowMs: number): Date | null {
  if (text === null) return null
  const at = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)$/.test(text) ? new Date(text) : new Date(Number.NaN)
  if (at.getTime() > nowMs) return at
  throw validationFailed([
    { field: 'expires_at', code: 'invalid', message: 'expires_at must be a moment to come, as 2027-01-31T00:00:00Z' },
  ])
}

/** Bound to things that the caller may read: of others he learns nothing, not even whether they are there. */
async function grantIn({ db }: ApiOptions, request: FastifyRequest): Promise<Grant | null> {
  const { scopes, owners, repositories } = request.body as Static<typeof NewTokenJson>
  if (owners === undefined && repositories === undefined) return scopes === null ? null : { scopes: [...new Set(scopes)], ...unbound }
  const ownerIds = []
  for (const login of owners ?? []) {
    const account = await findAccount(db.queries, login)
    if (account === null) throw unknown('owners', login)
    ownerIds.push(account.id)
  }
  const repositoryIds = []
  for (const name of repositories ?? []) {
    const [owner = '', repo = '', more] = name.split('/')
    const repository = more === undefined ? await findRepository(db.queries, owner, repo, request.identity) : null
    if (repository === null || !mayRead(request.identity, repository)) throw unknown('repositories', name)
    repositoryIds.push(repository.id)
  }
  return {
    scopes: [...new Set(scopes ?? allScopes)],
    ownerIds: owners ? ownerIds : null,
    repositoryIds: repositories ? repositoryIds : null,
  }
}

const unbound = { ownerIds: null, repositoryIds: null }

function unknown(field: string, name: string) {
  return validationFailed([{ field, code: 'missing', message: `There is no '${name.slice(0, 200)}' that you may read` }])
}

async function tokensJson({ db }: ApiOptions, request: FastifyRequest, found: readonly TokenFacts[]): Promise<TokenJson[]> {
  const grants = found.map(({ grant }) => grant)
  const { logins, fullNames } = await namesOfGrants(db.queries, request.identity, grants)
  return found.map((token) => ({
    ...plainTokenJson(token),
    owners: token.grant?.ownerIds?.flatMap((id) => logins.get(id) ?? []) ?? null,
    repositories: token.grant?.repositoryIds?.flatMap((id) => fullNames.get(id) ?? []) ?? null,
  }))
}

export function plainTokenJson({ id, kind, name, grant, createdAt, expiresAt, lastUsedAt }: TokenFacts): DeployTokenJson {
  return {
    id,
    kind: kind as DeployTokenJson['kind'], // sessions are not listed
    name,
    scopes: grant === null ? null : [...grant.scopes],
    created_at: timeJson(createdAt),
    expires_at: expiresAt && timeJson(expiresAt),
    last_used_at: lastUsedAt && timeJson(lastUsedAt),
  }
}
