// /repos/{owner}/{repo}/ci-trusts and …/ci-token: which CI jobs may act in a repository, and the exchange of their id-tokens. Ours; GitHub's API has nothing like it.
import Type, { type Static } from 'typebox'
import { actorOf, findRepository, onRepository, repositoryOf } from '../access/index.ts'
import { InputError } from '../base/index.ts'
import { notFound, Refusal, type Routes, validationFailed, sentFrom } from '../http/index.ts'
import { type CiTrust, createCiTrust, deleteCiTrust, listCiTrusts } from '../sign-in/index.ts'
import { timeJson } from './documents.ts'
import type { ApiOptions } from './index.ts'
import { ErrorJson, RepositoryParams, time } from './schemas.ts'

const tags = ['CiTrust']
const errors = { 401: ErrorJson, 403: ErrorJson, 404: ErrorJson, 422: ErrorJson }
const Claims = Type.Record(Type.String(), Type.String(), { description: 'claim → pattern; * stands for any characters' })
const CiTrustJson = Type.Object({
  id: Type.Integer(),
  name: Type.String(),
  issuer: Type.String(),
  claims: Claims,
  scopes: Type.Array(Type.String()),
  lifetime_seconds: Type.Integer(),
  created_at: time,
})
const NewCiTrustJson = Type.Object({
  name: Type.String(),
  issuer: Type.String(),
  claims: Claims,
  scopes: Type.Optional(Type.Array(Type.String(), { maxItems: 20 })),
  lifetime_seconds: Type.Optional(Type.Integer()),
})
const IdTokenJson = Type.Object({ id_token: Type.String({ minLength: 1, maxLength: 16_384 }) })
const CiTokenJson = Type.Object({ token: Type.String(), expires_at: time, scopes: Type.Array(Type.String()), trust: Type.String() })

export function registerCiTrusts(routes: Routes, { db, ciExchange }: ApiOptions): void {
  const access = onRepository('repository:administer')
  const url = '/repos/:owner/:repo/ci-trusts'

  const listing = { tags, summary: 'List CI trusts', params: RepositoryParams, response: { 200: Type.Array(CiTrustJson), ...errors } }
  routes.get(url, { config: { access }, schema: listing }, async (request) =>
    (await listCiTrusts(db.queries, repositoryOf(request).id)).map(trustJson),
  )

  const creation = {
    tags,
    summary: 'Trust CI jobs with certain claims',
    params: RepositoryParams,
    body: NewCiTrustJson,
    response: { 201: CiTrustJson, ...errors },
  }
  routes.post(url, { config: { access }, schema: creation }, async (request, reply) => {
    const { lifetime_seconds: lifetimeSeconds = 900, scopes = ['repository:read'], ...given } = request.body
    const by = { issuers: ciExchange.issuers, actor: actorOf(request) }
    const trust = await createCiTrust(db, repositoryOf(request), { ...given, scopes, lifetimeSeconds }, by).catch(asFault)
    return reply.code(201).send(trustJson(trust))
  })

  const params = Type.Object({ ...RepositoryParams.properties, trust_id: Type.Integer() })
  const deletion = { tags, summary: 'Trust them no more', params, response: { 204: Type.Null(), ...errors } }
  routes.delete(`${url}/:trust_id`, { config: { access }, schema: deletion }, async (request, reply) => {
    if (!(await deleteCiTrust(db, repositoryOf(request), request.params.trust_id, actorOf(request)))) throw notFound()
    return reply.code(204).send(null)
  })

  // Open to all: the id-token says who it is. Which repositories there are isn't told by it.
  const exchange = {
    tags,
    summary: 'Exchange a CI job’s id-token for a short-lived token',
    params: RepositoryParams,
    body: IdTokenJson,
    response: { 201: CiTokenJson, ...errors },
  }
  routes.post('/repos/:owner/:repo/ci-token', { config: { access: 'public' }, schema: exchange }, async (request, reply) => {
    const { owner, repo } = request.params
    const repository = await findRepository(db.queries, owner, repo)
    const visitor = { ip: sentFrom(request), requestId: request.id }
    const { secret, expiresAt, scopes, trust } = await ciExchange.exchange(repository, request.body.id_token, visitor).catch(asRefusal)
    return reply
      .code(201)
      .header('cache-control', 'no-store')
      .send({ token: secret, expires_at: timeJson(expiresAt), scopes: [...scopes], trust })
  })
}

function trustJson({ id, name, issuer, claims, scopes, lifetimeSeconds, createdAt }: CiTrust): Static<typeof CiTrustJson> {
  return {
    id,
    name,
    issuer,
    claims: { ...claims },
    scopes: [...scopes],
    lifetime_seconds: lifetimeSeconds,
    created_at: timeJson(createdAt),
  }
}

function asFault(error: unknown): never {
  if (!(error instanceof InputError)) throw error
  const field = error.code === 'bad-scope' ? 'scopes' : error.code === 'trust-exists' ? 'name' : 'claims'
  throw validationFailed([{ field, code: error.code === 'trust-exists' ? 'already_exists' : 'invalid', message: error.message }])
}

function asRefusal(error: unknown): never {
  if (error instanceof InputError && error.code === 'not-trusted') throw new Refusal(401, 'bad-credentials', error.message)
  throw error
}
