// /login/oidc: where a browser begins to sign in by OIDC, and where the provider sends it back.
import type { FastifyReply, FastifyRequest } from 'fastify'
import { type Listener, notFound, plainForm, sentOrigin } from '../http/index.ts'
import { cookieHeader, cookieIn, sessionCookieHeader, visitorOf } from './cookies.ts'
import type { OidcSignIn } from './oidc.ts'

const stateCookie = 'stemma_oidc'
const callbackPath = '/login/oidc/callback'
const statusOf = { 'oidc-state': 400, 'oidc-refused': 403, 'no-account': 403, suspended: 403 }

export interface SignInRoutesOptions {
  /** Null: this server has no provider. */
  readonly oidc: OidcSignIn | null
  readonly publicUrl: string | null
}

export function registerSignIn(listener: Listener, { oidc, publicUrl }: SignInRoutesOptions): void {
  const originOf = (request: FastifyRequest) => (publicUrl ?? sentOrigin(request)).replace(/\/+$/, '')
  listener.room({ form: plainForm, body: 'json', statusOf }, (routes) => {
    routes.get('/login/oidc', { config: { access: 'public' } }, async (request, reply) => {
      if (oidc === null) throw notFound()
      const { return_to: returnTo } = request.query as { return_to?: unknown }
      const { url, state, maxAgeSeconds } = await oidc.depart({
        redirectUri: originOf(request) + callbackPath,
        returnTo: typeof returnTo === 'string' ? returnTo : '/',
        accountId: linkedAccount(request),
      })
      const cookie = cookieHeader(stateCookie, state, { maxAgeSeconds, isSecure: originOf(request).startsWith('https:'), path: '/login' })
      return redirect(reply, url.href, [cookie])
    })
    routes.get(callbackPath, { config: { access: 'public' } }, async (request, reply) => {
      if (oidc === null) throw notFound()
      const isSecure = originOf(request).startsWith('https:')
      const url = new URL(request.raw.url ?? '', originOf(request))
      const { session, returnTo } = await oidc.arrive(url, cookieIn(request, stateCookie), visitorOf(request))
      const gone = cookieHeader(stateCookie, '', { maxAgeSeconds: 0, isSecure, path: '/login' })
      return redirect(reply, returnTo, [sessionCookieHeader(session.secret, isSecure), gone])
    })
  })
}

/**
 * Whose the identity will be: whoever is signed in, and came here by himself. A page of another site that leads him here could have signed him in to the provider as
 * somebody else first.
 */
function linkedAccount({ identity, headers }: FastifyRequest) {
  const site = headers['sec-fetch-site']
  return identity.kind === 'account' && identity.grant === null && (site === 'same-origin' || site === 'none') ? identity.accountId : null
}

function redirect(reply: FastifyReply, location: string, cookies: readonly string[]): FastifyReply {
  return reply
    .code(303)
    .header('cache-control', 'no-store')
    .header('referrer-policy', 'no-referrer')
    .header('set-cookie', [...cookies])
    .header('location', location)
    .send('')
}
