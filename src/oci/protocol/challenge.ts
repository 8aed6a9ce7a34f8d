// What a client that isn't let in is told: where to ask for a pass, and for what (RFC 6750 §3; distribution, docs/spec/auth/token.md).
import type { FastifyRequest } from 'fastify'
import { sentOrigin } from '../../http/index.ts'
import { scopeFor } from '../format/scopes.ts'
import { targetOf } from './targets.ts'

/** Below the room's prefix. */
export const tokenPath = '/token'

/** `WWW-Authenticate` of a 401. At the endpoint itself it is credentials that are asked for. */
export function challengeOf(request: FastifyRequest, publicUrl: string | null, code: string): string {
  const url = request.routeOptions.url ?? ''
  if (url === `/v2${tokenPath}`) return 'Basic realm="Stemma", charset="UTF-8"'
  const origin = (publicUrl ?? sentOrigin(request)).replace(/\/+$/, '')
  const parts = [`realm="${origin}/v2${tokenPath}"`, `service="${new URL(origin).host}"`]
  const scope = scopeOf(request, url)
  if (scope !== null) parts.push(`scope="${scope}"`)
  if (code === 'not-in-pass') parts.push('error="insufficient_scope"')
  return `Bearer ${parts.join(',')}`
}

/** Null: the route names no image. */
function scopeOf(request: FastifyRequest, url: string): string | null {
  const { access } = request.routeOptions.config
  if (!url.includes('*') || typeof access !== 'object') return null
  const action = typeof access.action === 'string' ? access.action : access.action.of(request)
  return scopeFor(action, targetOf(request).name)
}
