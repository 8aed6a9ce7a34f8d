// Trusted publishing: which CI jobs a package trusts, and the exchange of what such a job shows for a token (docs/design/npm-access.md).
import type { FastifyReply, FastifyRequest } from 'fastify'
import { actorOf, callerOf, issueToken, packageOf, type Scope } from '../../access/index.ts'
import { InputError } from '../../base/index.ts'
import { asideOf, notFound, Refusal, type Routes, sentFrom } from '../../http/index.ts'
import { type CiClaims, keptClaims, notTrusted, spend } from '../../sign-in/index.ts'
import { demandOtp } from '../account/otp.ts'
import { type AccountParts, smallBodyBytes } from '../account/parts.ts'
import { parseName } from '../format/names.ts'
import { isMeant, parseTrust } from '../format/trust.ts'
import { sendJson } from '../protocol/form.ts'
import { readJson } from '../protocol/json-body.ts'
import { onNamed, registryPrefixes } from '../protocol/targets.ts'
import { createTrust, deleteTrust, listTrusts, trustJson, type TrustedPackage, trustsOfName } from './trust-rows.ts'

const lifetimeMs = 900_000
const mostAtOnce = 10
const exchangePath = '/-/npm/v1/oidc/token/exchange/package/:package'

export function registerTrust(routes: Routes, parts: AccountParts): void {
  const config = { access: onNamed(parts.root, 'package:administer'), encodedSlash: true }
  for (const prefix of registryPrefixes) {
    const path = `${prefix}/-/package/:package/trust`
    routes.get(path, { config }, async (request, reply) =>
      sendJson(reply, 200, (await listTrusts(parts.db.queries, packageOf(request))).map(trustJson)),
    )
    routes.post(path, { config }, (request, reply) => trust(parts, request, reply))
    routes.delete(`${path}/:trust`, { config }, (request, reply) => trustNoMore(parts, request, reply))
    registerExchange(routes, parts, prefix)
  }
}

/** Also where clients ask for it: at the root of the host, whatever the registry's path is. */
export function registerExchange(routes: Routes, parts: AccountParts, prefix: string): void {
  const config = { access: 'public', isSigningIn: true, encodedSlash: true } as const
  routes.post(`${prefix}${exchangePath}`, { config }, (request, reply) => exchange(parts, request, reply))
}

async function trust(parts: AccountParts, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const one = packageOf(request)
  const given = [await readJson(request, smallBodyBytes)].flat()
  if (given.length === 0 || given.length > mostAtOnce) throw new InputError('bad-trust', `1 to ${mostAtOnce} trusts are made at once`)
  const wanted = given.map(parseTrust)
  await demandOtp(parts, request, callerOf(request), { isOnce: false })
  const made = []
  for (const each of wanted) made.push(await createTrust(parts, one, each, { issuers: parts.ciExchange.issuers, actor: actorOf(request) }))
  return sendJson(reply, 201, made.map(trustJson))
}

async function trustNoMore(parts: AccountParts, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  await demandOtp(parts, request, callerOf(request), { isOnce: false })
  const { trust: id } = request.params as { readonly trust: string }
  if (!(await deleteTrust(parts.db, packageOf(request), id, actorOf(request)))) throw notFound()
  return reply.code(204).send()
}

/**
 * The id-token says who it is, so it is open to all. A package that isn't there, one that trusts nobody, and an id-token that isn't meant are one answer; which packages
 * there are isn't told by it.
 */
async function exchange(parts: AccountParts, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { owner = null, package: text } = request.params as { readonly owner?: string; readonly package: string }
  const idToken = /^Bearer +(\S+)$/i.exec(asideOf(request) ?? '')?.[1]
  if (idToken === undefined) throw new Refusal(401, 'unauthenticated', 'The id-token of a CI job is sent as Authorization: Bearer')
  try {
    const claims = await parts.ciExchange.verify(idToken, parts.audiences)
    const name = parseName(text)
    const trusting = (name === null ? [] : await trustsOfName(parts.db.queries, name.full, owner)).filter(
      ({ trust: { issuer, job }, isSuspended }) => !isSuspended && issuer === claims.iss && isMeant(job, claims),
    )
    const { secret, expiresAt } = await issueFor(parts, request, claims, trusting)
    return sendJson(reply, 201, {
      token: secret,
      token_type: 'oidc',
      created: new Date(parts.clock.now()).toISOString(),
      expires: expiresAt.toISOString(),
    })
  } catch (error) {
    if (error instanceof InputError && error.code === 'not-trusted') throw new Refusal(401, error.code, error.message)
    throw error
  }
}

async function issueFor(
  { db, clock, randomness }: AccountParts,
  request: FastifyRequest,
  claims: CiClaims,
  trusting: readonly TrustedPackage[],
): Promise<{ readonly secret: string; readonly expiresAt: Date }> {
  const [first] = trusting
  if (first === undefined) throw notTrusted('no package of that name trusts such a job')
  if (trusting.some(({ ownerId }) => ownerId !== first.ownerId))
    throw notTrusted('packages of that name of several owners trust such a job, and the request does not say which is meant')
  const scope: Scope = trusting.some(({ trust: { permissions } }) => permissions.includes('createPackage'))
    ? 'package:write'
    : 'package:stage'
  const expiresAt = new Date(clock.now() + lifetimeMs)
  const sub = claims.sub.slice(0, 180)
  const issued = await db.transaction(async (tx) => {
    await spend(tx, claims, `npm ${first.packageId}`)
    return issueToken(
      tx,
      {
        kind: 'ci',
        bearer: { kind: 'account', accountId: first.ownerId, login: first.ownerLogin },
        name: `${sub} ${randomness.uuid()}`,
        grant: { scopes: [scope], ownerIds: null, repositoryIds: null, packageIds: [first.packageId] },
        expiresAt,
        actor: { accountId: null, name: `ci ${sub}`, ip: sentFrom(request), requestId: request.id },
        claims: keptClaims(claims),
      },
      randomness,
    )
  })
  return { secret: issued.secret, expiresAt }
}
