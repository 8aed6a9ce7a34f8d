// Who one is, as npm's clients ask it: below the prefix of each registry. docs/design/npm-access.md.
import type { FastifyRequest } from 'fastify'
import { callerOf, findAccount, onRegistry, onSelf } from '../../access/index.ts'
import { notFound, Refusal, type Routes } from '../../http/index.ts'
import { sendJson } from '../protocol/form.ts'
import { registryPrefixes } from '../protocol/targets.ts'
import { registerAccess } from './access.ts'
import { beginWebLogin, loginByPassword, logout, pollWebLogin, userIn } from './login.ts'
import type { AccountParts } from './parts.ts'
import { getProfile, setProfile } from './profile.ts'
import { SignUps } from './sign-ups.ts'
import { registerTeams } from './teams.ts'
import { createNpmToken, listNpmTokens, revokeNpmToken } from './tokens.ts'

export function registerAccount(routes: Routes, parts: AccountParts): void {
  const signUps = new SignUps(parts)
  for (const prefix of registryPrefixes) {
    registerWho(routes, parts, prefix)
    registerLogins(routes, { ...parts, signUps }, prefix)
    registerOwn(routes, parts, prefix)
    registerAccess(routes, parts, prefix)
    registerTeams(routes, parts, prefix)
  }
}

function registerOwn(routes: Routes, parts: AccountParts, prefix: string): void {
  const config = { access: onSelf('self:administer') }
  routes.get(`${prefix}/-/npm/v1/user`, { config: { access: onSelf('self:read') } }, (...call) => getProfile(parts, ...call))
  routes.post(`${prefix}/-/npm/v1/user`, { config }, (...call) => setProfile(parts, ...call))
  routes.get(`${prefix}/-/npm/v1/tokens`, { config }, (...call) => listNpmTokens(parts, ...call))
  routes.post(`${prefix}/-/npm/v1/tokens`, { config }, (...call) => createNpmToken(parts, ...call))
  routes.delete(`${prefix}/-/npm/v1/tokens/token/:key`, { config }, (...call) => revokeNpmToken(parts, ...call))
}

function registerWho(routes: Routes, { db }: AccountParts, prefix: string): void {
  const config = { access: onRegistry('registry:read') }
  routes.get(`${prefix}/-/whoami`, { config }, async (request, reply) => {
    const { identity } = request
    if (identity.kind === 'anonymous') throw new Refusal(401, 'unauthenticated', 'Requires authentication')
    return sendJson(reply, 200, { username: identity.kind === 'account' ? (identity.job ?? identity.login) : identity.name })
  })
  // of anybody: `npm owner` asks whether there is such a user
  routes.get(`${prefix}/-/user/:user`, { config }, async (request, reply) => {
    const login = userIn((request.params as { readonly user: string }).user)
    const account = login === null ? null : await findAccount(db.queries, login)
    if (account === null || account.kind !== 'user') throw notFound()
    const isOwn = request.identity.kind === 'account' && callerOf(request).accountId === account.id
    return sendJson(reply, 200, {
      _id: `org.couchdb.user:${account.login}`,
      _rev: '1-0',
      name: account.login,
      email: isOwn ? (account.email ?? '') : '',
      type: 'user',
      roles: [],
    })
  })
}

/** What is sent along to show who calls isn't looked at: who signs in anew has what has ended. */
function registerLogins(routes: Routes, parts: AccountParts & { readonly signUps: SignUps }, prefix: string): void {
  const config = { access: 'public', isSigningIn: true } as const
  routes.put(`${prefix}/-/user/:user`, { config }, (request: FastifyRequest, reply) => loginByPassword(parts, request, reply))
  routes.delete(`${prefix}/-/user/token/:token`, { config }, (request, reply) => logout(parts, request, reply))
  routes.post(`${prefix}/-/v1/login`, { config }, (request, reply) => beginWebLogin(parts, request, reply))
  // not by HEAD: what is told is told once
  routes.get(`${prefix}/-/v1/done`, { config, exposeHeadRoute: false }, (request, reply) => pollWebLogin(parts, request, reply))
}
