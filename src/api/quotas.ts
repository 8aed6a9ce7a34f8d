// /users/{login}/quota: how much a user or an organization may store, and does. Ours; docs/design/limits.md says what counts.
import type { FastifyRequest } from 'fastify'
import Type, { type Static } from 'typebox'
import { type Account, accountOf, actorOf, onAccount, ownerUsage, setQuota, totalBytes } from '../access/index.ts'
import type { Routes } from '../http/index.ts'
import type { ApiOptions } from './index.ts'
import { ErrorJson, LoginParams } from './schemas.ts'

const mostBytes = Number.MAX_SAFE_INTEGER
const QuotaJson = Type.Object({
  limit_bytes: Type.Union([Type.Number(), Type.Null()], { description: 'null: as much as it likes' }),
  limit_is_own: Type.Boolean({ description: 'false: the server’s limit' }),
  used_bytes: Type.Object({
    total: Type.Number(),
    git: Type.Number({
      description: 'its share of packs and their indexes: what forks have in common is divided by what was pushed to each',
    }),
    lfs: Type.Number({ description: 'LFS objects, for each repository that has them' }),
    packages: Type.Number({ description: 'blobs of images, each once for however many of the owner’s images have it, and manifests' }),
  }),
  left_bytes: Type.Union([Type.Number(), Type.Null()]),
})
const NewQuotaJson = Type.Object({
  limit_bytes: Type.Union([Type.Integer({ minimum: 0, maximum: mostBytes }), Type.Null()], {
    description: 'null: as much as it likes, whatever the server’s limit is',
  }),
})

const tags = ['Quota']
const errors = { 401: ErrorJson, 403: ErrorJson, 404: ErrorJson, 422: ErrorJson }

export function registerQuotas(routes: Routes, { db }: ApiOptions): void {
  const url = '/users/:login/quota'
  const reading = {
    tags,
    summary: 'How much an owner stores, and may (Stemma’s own)',
    params: LoginParams,
    response: { 200: QuotaJson, ...errors },
  }
  routes.get(url, { config: { access: onAccount('account:usage') }, schema: reading }, async (request) => quotaJson(accountOf(request)))

  const setting = { ...reading, summary: 'Limits how much an owner may store (Stemma’s own)', body: NewQuotaJson }
  routes.put(url, { config: { access: onAccount('server:administer') }, schema: setting }, async (request) => {
    await change(request, request.body.limit_bytes)
    return quotaJson(accountOf(request))
  })

  const clearing = {
    tags,
    summary: 'Gives an owner the server’s limit again (Stemma’s own)',
    params: LoginParams,
    response: { 204: Type.Null(), ...errors },
  }
  routes.delete(url, { config: { access: onAccount('server:administer') }, schema: clearing }, async (request, reply) => {
    await change(request, 'server')
    return reply.code(204).send(null)
  })

  const change = async (request: FastifyRequest, limitBytes: number | null | 'server') =>
    setQuota(db, accountOf(request), limitBytes, actorOf(request))

  const quotaJson = async ({ id }: Account): Promise<Static<typeof QuotaJson>> => {
    const usage = await ownerUsage(db.queries, id)
    const { limitBytes, isOwnLimit, gitBytes, lfsBytes, packageBytes } = usage
    const total = totalBytes(usage)
    return {
      limit_bytes: limitBytes,
      limit_is_own: isOwnLimit,
      used_bytes: { total, git: gitBytes, lfs: lfsBytes, packages: packageBytes },
      left_bytes: limitBytes === null ? null : Math.max(0, limitBytes - total),
    }
  }
}
