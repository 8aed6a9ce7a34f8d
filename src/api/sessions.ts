// /session, /user/sessions, /user/password: signing in by a password, and out. Ours; GitHub's API has nothing like it.
import type { FastifyRequest } from 'fastify'
import Type, { type Static } from 'typebox'
import { accountOf, actorOf, callerOf, findAccountById, isCrossSite, onSelf } from '../access/index.ts'
import { InputError } from '../base/index.ts'
import { notFound, Refusal, type Routes, validationFailed } from '../http/index.ts'
import { endSession, listSessions, sessionCookieHeader, setPassword, signInByPassword, visitorOf } from '../sign-in/index.ts'
import { originOf, timeJson } from './documents.ts'
import type { ApiOptions } from './index.ts'
import { ErrorJson, nullable, time, UserJson } from './schemas.ts'
import { userJson } from './users.ts'

const tags = ['Session']
const errors = { 401: ErrorJson, 403: ErrorJson, 404: ErrorJson, 422: ErrorJson }

const SignInJson = Type.Object({
  login: Type.String({ minLength: 1, maxLength: 255 }),
  password: Type.String({ minLength: 1, maxLength: 1024 }),
  otp: Type.Optional(
    Type.String({ maxLength: 100, description: 'a one-time code, or a recovery code, where the account has a second factor' }),
  ),
})
const NewSessionJson = Type.Object({ user: UserJson, expires_at: time })
const SessionJson = Type.Object({
  id: Type.Integer(),
  created_at: time,
  expires_at: nullable(time),
  last_used_at: nullable(time),
  ip: nullable(Type.String()),
  user_agent: nullable(Type.String()),
  current: Type.Boolean({ description: 'the one that asks' }),
})
const PasswordJson = Type.Object({
  password: Type.String({ maxLength: 1024 }),
  current_password: Type.Optional(Type.String({ maxLength: 1024, description: 'needed where there is one' })),
})

export function registerSessions(routes: Routes, options: ApiOptions): void {
  const { db, signIn } = options
  const isSecure = (request: FastifyRequest) => originOf(request, options.publicUrl).startsWith('https:')

  const beginning = {
    tags,
    summary: 'Sign in by a password: the answer sets a session cookie',
    body: SignInJson,
    response: { 201: NewSessionJson, ...errors },
  }
  routes.post('/session', { config: { access: 'public' }, schema: beginning }, async (request, reply) => {
    if (isCrossSite(request.method, request.headers, request.host))
      throw new Refusal(403, 'cross-site', 'Sign in from a page of this server')
    const session = await signInByPassword(signIn, request.body, visitorOf(request)).catch(asRefusal)
    const account = await findAccountById(db.queries, session.accountId)
    if (account === null) throw notFound()
    const user = await userJson(options, request, account, true)
    return reply
      .code(201)
      .header('set-cookie', sessionCookieHeader(session.secret, isSecure(request)))
      .send({ user, expires_at: timeJson(session.expiresAt) })
  })

  const ending = { tags, summary: 'Sign out', response: { 204: Type.Null(), ...errors } }
  routes.delete('/session', { config: { access: onSelf('self:administer') }, schema: ending }, async (request, reply) => {
    const { accountId, tokenId } = callerOf(request)
    const isEnded = tokenId !== null && (await endSession(db, accountId, tokenId, actorOf(request)))
    if (!isEnded) throw notFound()
    return reply
      .code(204)
      .header('set-cookie', sessionCookieHeader('', isSecure(request)))
      .send(null)
  })

  const listing = { tags, summary: 'List your sessions', response: { 200: Type.Array(SessionJson), ...errors } }
  routes.get('/user/sessions', { config: { access: onSelf('self:administer') }, schema: listing }, async (request) => {
    const { accountId, tokenId } = callerOf(request)
    return (await listSessions(db.queries, accountId)).map(
      (session): Static<typeof SessionJson> => ({
        id: session.id,
        created_at: timeJson(session.createdAt),
        expires_at: session.expiresAt && timeJson(session.expiresAt),
        last_used_at: session.lastUsedAt && timeJson(session.lastUsedAt),
        ip: session.ip,
        user_agent: session.userAgent,
        current: session.id === tokenId,
      }),
    )
  })

  const params = Type.Object({ session_id: Type.Integer() })
  const revoking = { tags, summary: 'End one of your sessions', params, response: { 204: Type.Null(), ...errors } }
  routes.delete(
    '/user/sessions/:session_id',
    { config: { access: onSelf('self:administer') }, schema: revoking },
    async (request, reply) => {
      if (!(await endSession(db, callerOf(request).accountId, request.params.session_id, actorOf(request)))) throw notFound()
      return reply.code(204).send(null)
    },
  )

  const changing = {
    tags,
    summary: 'Set your password: other sessions end',
    body: PasswordJson,
    response: { 204: Type.Null(), ...errors },
  }
  routes.put('/user/password', { config: { access: onSelf('self:administer') }, schema: changing }, async (request, reply) => {
    const { password, current_password: current = null } = request.body
    const account = accountOf(request)
    const set = () => setPassword(signIn, account, { password, current, caller: callerOf(request) }, actorOf(request))
    await (signIn.failures === undefined ? set() : signIn.failures.tryPassword(request.ip, account.login, set)).catch(asFault)
    return reply.code(204).send(null)
  })
}

function asRefusal(error: unknown): never {
  if (error instanceof InputError && error.code === 'bad-password') throw new Refusal(401, 'bad-credentials', error.message)
  if (error instanceof InputError && error.code.startsWith('otp-'))
    throw new Refusal(401, error.code, error.message, { headers: { 'x-github-otp': 'required; app' } })
  if (error instanceof InputError && error.code === 'suspended') throw new Refusal(403, 'suspended', error.message)
  throw error
}

function asFault(error: unknown): never {
  if (!(error instanceof InputError)) throw error
  const field = error.code === 'bad-password' ? 'current_password' : 'password'
  throw validationFailed([{ field, code: 'invalid', message: error.message }])
}
