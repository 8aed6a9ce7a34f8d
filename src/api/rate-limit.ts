// /rate_limit: how many requests are left to the caller (GitHub REST "Rate limit"). Asking doesn't count.
import Type from 'typebox'
import { identityKey } from '../access/index.ts'
import { notFound, type RateFigures, type Routes } from '../http/index.ts'
import type { ApiOptions } from './index.ts'
import { ErrorJson } from './schemas.ts'

const RateJson = Type.Object({
  limit: Type.Number({ description: 'requests a minute; so many may come at once' }),
  used: Type.Number(),
  remaining: Type.Number(),
  reset: Type.Number({ description: 'seconds since 1970, when all of them are there again' }),
  resource: Type.String(),
})

const RateLimitJson = Type.Object({
  resources: Type.Record(Type.String(), RateJson, {
    description: 'core: reads of the API; writes: changes by it; git: requests of Git and LFS clients. Those of them that are limited here',
  }),
  rate: RateJson,
})

export function registerRateLimit(routes: Routes, { rates }: ApiOptions): void {
  const schema = {
    tags: ['RateLimit'],
    summary: 'How many requests the caller may still make',
    response: { 200: RateLimitJson, 401: ErrorJson, 404: ErrorJson },
  }
  routes.get('/rate_limit', { config: { access: 'public', isUncounted: true }, schema }, async (request, reply) => {
    const figures = rates?.figures(identityKey(request.identity), request.ip) ?? new Map<string, RateFigures>()
    const core = figures.get('core')
    if (core === undefined) throw notFound() // as GitHub's own server does where nothing is limited
    reply.header('cache-control', 'no-store')
    return { resources: Object.fromEntries(figures), rate: core }
  })
}
