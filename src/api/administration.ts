// /admin, /users/{username}/suspended and /site_admin (GitHub Enterprise Server REST "Users", "Organizations" of its administration).
import type { FastifyRequest } from 'fastify'
import Type from 'typebox'
import {
  type Account,
  type AccountChange,
  actorOf,
  changeAccount,
  countTokens,
  createAccount,
  createOrganization,
  deleteAccount,
  findAccountById,
  listTokens,
  onSelf,
  revokeTokenById,
} from '../access/index.ts'
import { notFound, type Routes, validationFailed } from '../http/index.ts'
import { originOf, ownerJson, timeJson } from './documents.ts'
import { rethrowAsFault } from './faults.ts'
import type { ApiOptions } from './index.ts'
import { fullOrganization } from './organizations.ts'
import { pageOf, tellPages } from './paging.ts'
import { userNamed } from './people-documents.ts'
import {
  AdministeredUserJson,
  FullOrganizationJson,
  FullUserJson,
  MadeOrganizationJson,
  NewUserJson,
  UsernameParams,
} from './people-schemas.ts'
import { ErrorJson } from './schemas.ts'
import { AnyTokenJson, AnyTokenQuery, TokenParams } from './token-schemas.ts'
import { plainTokenJson } from './tokens.ts'
import { userJson } from './users.ts'

const tags = ['Administration']
const errors = { 401: ErrorJson, 403: ErrorJson, 404: ErrorJson, 422: ErrorJson }

export function registerAdministration(routes: Routes, options: ApiOptions): void {
  const { db } = options
  const config = { access: onSelf('server:administer') }

  const creation = { tags, summary: 'Makes a user', body: NewUserJson, response: { 201: FullUserJson, ...errors } }
  routes.post('/admin/users', { config, schema: creation }, async (request, reply) => {
    const { login, name = null, email = null, site_admin: isAdmin = false } = request.body
    const wanted = { login, displayName: name, email, isAdmin, actor: actorOf(request) }
    const made = await createAccount(db, wanted).catch(rethrowAsFault())
    return reply.code(201).send(await fullUser(options, request, made))
  })

  const reading = { tags, summary: 'A user, as administrators see him', params: UsernameParams, response: { 200: FullUserJson, ...errors } }
  routes.get('/admin/users/:username', { config: { access: onSelf('server:read') }, schema: reading }, async (request) =>
    fullUser(options, request, await userNamed(options, request, request.params.username)),
  )

  const changing = {
    tags,
    summary: 'Changes a user: also his login',
    params: UsernameParams,
    body: AdministeredUserJson,
    response: { 200: FullUserJson, ...errors },
  }
  routes.patch('/admin/users/:username', { config, schema: changing }, async (request) => {
    const { login, name: displayName, email, site_admin: isAdmin } = request.body
    const change = { login, displayName, email, isAdmin }
    const given = Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined)) as AccountChange
    return fullUser(options, request, await changed(options, request, request.params.username, given))
  })

  const deletion = {
    tags,
    summary: 'Deletes a user who has no repositories',
    params: UsernameParams,
    response: { 204: Type.Null(), ...errors },
  }
  routes.delete('/admin/users/:username', { config, schema: deletion }, async (request, reply) => {
    const { id } = await userNamed(options, request, request.params.username)
    const isGone = await deleteAccount(db, id, actorOf(request)).catch(rethrowAsFault('Validation Failed', { login: 'username' }))
    if (!isGone) throw notFound()
    return reply.code(204).send(null)
  })

  registerSwitches(routes, options)
  registerOrganizationMaking(routes, options)
  registerAllTokens(routes, options)
}

async function changed(options: ApiOptions, request: FastifyRequest, username: string, change: AccountChange): Promise<Account> {
  const { id } = await userNamed(options, request, username)
  const account = await changeAccount(options.db, id, change, actorOf(request)).catch(rethrowAsFault())
  if (account === null) throw notFound()
  return account
}

function registerSwitches(routes: Routes, options: ApiOptions): void {
  const config = { access: onSelf('server:administer') }
  const switches = [
    ['PUT', 'suspended', { isSuspended: true }, 'Suspends a user: nothing of his opens anything until that ends'],
    ['DELETE', 'suspended', { isSuspended: false }, 'Ends a suspension'],
    ['PUT', 'site_admin', { isAdmin: true }, 'Makes a user an administrator of the server'],
    ['DELETE', 'site_admin', { isAdmin: false }, 'Makes an administrator an ordinary user'],
  ] as const
  for (const [method, word, change, summary] of switches) {
    const schema = { tags, summary, params: UsernameParams, response: { 204: Type.Null(), ...errors } }
    routes.route({
      method,
      url: `/users/:username/${word}`,
      config,
      schema,
      handler: async (request, reply) => {
        await changed(options, request, request.params.username, change)
        return reply.code(204).send(null)
      },
    })
  }
}

function registerOrganizationMaking(routes: Routes, options: ApiOptions): void {
  const { db } = options
  const summary = 'Makes an organization that somebody administers'
  const schema = { tags, summary, body: MadeOrganizationJson, response: { 201: FullOrganizationJson, ...errors } }
  routes.post('/admin/organizations', { config: { access: onSelf('server:administer') }, schema }, async (request, reply) => {
    const { login, admin, profile_name: displayName = null } = request.body
    const first = await userNamed(options, request, admin).catch(() => {
      throw validationFailed([{ field: 'admin', code: 'missing', message: `There is no user '${admin.slice(0, 64)}'` }])
    })
    const wanted = { login, displayName, firstAdmin: first.id, actor: actorOf(request) }
    const made = await createOrganization(db, wanted).catch(rethrowAsFault())
    return reply.code(201).send(await fullOrganization(options, request, made))
  })
}

function registerAllTokens(routes: Routes, options: ApiOptions): void {
  const { db, publicUrl } = options
  const listing = {
    tags,
    summary: 'Everybody’s tokens, without secrets; or an account’s',
    querystring: AnyTokenQuery,
    response: { 200: Type.Array(AnyTokenJson), ...errors },
  }
  routes.get('/admin/tokens', { config: { access: onSelf('server:read') }, schema: listing }, async (request, reply) => {
    const page = pageOf(request.query)
    const { account } = request.query
    const of = account === undefined ? null : { account: (await userNamed(options, request, account)).login }
    const [found, total] = await Promise.all([listTokens(db.queries, of, page), countTokens(db.queries, of)])
    tellPages(request, reply, publicUrl, page, total)
    const documents: AnyTokenJson[] = []
    for (const token of found) {
      const user = token.accountId === null ? null : await findAccountById(db.queries, token.accountId)
      documents.push({ ...plainTokenJson(token), bearer: token.bearer, user: user && ownerJson(originOf(request, publicUrl), user) })
    }
    return documents
  })

  const ending = { tags, summary: 'Ends anybody’s token at once', params: TokenParams, response: { 204: Type.Null(), ...errors } }
  routes.delete('/admin/tokens/:id', { config: { access: onSelf('server:administer') }, schema: ending }, async (request, reply) => {
    const isGone = await db.transaction((tx) => revokeTokenById(tx, request.params.id, 'anybody', actorOf(request)))
    if (!isGone) throw notFound()
    return reply.code(204).send(null)
  })
}

async function fullUser(options: ApiOptions, request: FastifyRequest, account: Account): Promise<FullUserJson> {
  const { suspendedAt } = account
  return { ...(await userJson(options, request, account, true)), suspended_at: suspendedAt && timeJson(suspendedAt) }
}
