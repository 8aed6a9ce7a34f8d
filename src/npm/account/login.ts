// How a client comes by a token: by name and password (as CouchDB once took them), or by a browser (docs/design/npm-access.md). And how it gives it back.
import type { FastifyReply, FastifyRequest } from 'fastify'
import { type AccountId, hashToken, issueToken, revokeTokenById, type Scope } from '../../access/index.ts'
import { hex, InputError } from '../../base/index.ts'
import { Refusal, sentFrom, sentOrigin } from '../../http/index.ts'
import { checkPassword, clientLoginUrl, type KnownAccount } from '../../sign-in/index.ts'
import { sendJson } from '../protocol/form.ts'
import { readObject, textIn } from '../protocol/json-body.ts'
import { otpOf, rethrowOtp } from './otp.ts'
import { type AccountParts, smallBodyBytes } from './parts.ts'
import type { SignUps } from './sign-ups.ts'

/** What npm's commands do: publishing, and everything about packages, organisations, tokens and the account itself. */
const loginScopes: readonly Scope[] = ['package:admin', 'organization:admin', 'account:admin']
const retryAfterSeconds = '2'
const client = 'npm'

/** Of `org.couchdb.user:NAME`; null: it isn't one. */
export function userIn(text: string | undefined): string | null {
  return /^org\.couchdb\.user:(.{1,255})$/s.exec(text ?? '')?.[1] ?? null
}

/** `npm login --auth-type=legacy`, `yarn npm login`, and `npm adduser`. */
export async function loginByPassword(
  parts: AccountParts & { readonly signUps: SignUps },
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const body = await readObject(request, smallBodyBytes)
  const login = userIn((request.params as { readonly user?: string }).user)
  const [name, password, email] = [textIn(body, 'name'), textIn(body, 'password'), textIn(body, 'email')]
  if (login === null || password === null || (name !== null && name !== login))
    throw new InputError('bad-login', 'A sign-in takes a name, which is that of the path, and a password')
  const visitor = { ip: sentFrom(request), requestId: request.id }
  const made = await parts.signUps.tryMake({ login, password, email }, visitor)
  const account = made ?? (await checkPassword(parts.signIn, { login, password, otp: otpOf(request) }, visitor).catch(asRefusal))
  const token = await issueLogin(parts, request, account)
  return sendJson(reply, 201, { ok: true, id: `org.couchdb.user:${account.login}`, rev: '1-0', token })
}

/** `npm login`: where to send the user, and where to ask whether he has said yes. */
export async function beginWebLogin(parts: AccountParts, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { page, poll } = await parts.logins.begin({ client, ip: sentFrom(request), userAgent: request.headers['user-agent'] ?? null })
  const origin = (parts.publicUrl ?? sentOrigin(request)).replace(/\/+$/, '')
  const { owner } = request.params as { readonly owner?: string }
  const registry = `${origin}/npm${owner === undefined ? '' : `/${encodeURIComponent(owner)}`}`
  return sendJson(reply, 200, { loginUrl: clientLoginUrl(origin, page), doneUrl: `${registry}/-/v1/done?id=${poll}` })
}

/** 202 as long as it waits: clients come back after what `Retry-After` says. */
export async function pollWebLogin(parts: AccountParts, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { id } = request.query as { readonly id?: unknown }
  const outcome = await parts.logins.poll(typeof id === 'string' ? id : '', client)
  if (outcome === 'waiting') return sendJson(reply.header('retry-after', retryAfterSeconds), 202, {})
  if (outcome === 'refused') throw new Refusal(403, 'refused', 'The sign-in was refused in the browser')
  return sendJson(reply, 200, { token: await issueLogin(parts, request, outcome) })
}

async function issueLogin(
  { db, clock, randomness, settings }: AccountParts,
  request: FastifyRequest,
  { id, login, isSuspended }: KnownAccount,
): Promise<string> {
  if (isSuspended) throw new Refusal(403, 'suspended', 'Your account is suspended; ask the administrator of this server')
  const now = clock.now()
  const name = `npm login ${new Date(now).toISOString()} ${hex(randomness.bytes(4))}`
  const made = await db.transaction((tx) =>
    issueToken(
      tx,
      {
        kind: 'personal',
        bearer: { kind: 'account', accountId: id, login },
        name,
        grant: { scopes: loginScopes, ownerIds: null, repositoryIds: null },
        expiresAt: new Date(now + settings.loginMs),
        actor: { accountId: id, name: login, ip: sentFrom(request), requestId: request.id },
      },
      randomness,
    ),
  )
  return made.secret
}

/** `npm logout`: whoever has a token may end it. One that isn't there any more is ended, too: the client goes on and forgets it. */
export async function logout({ db }: AccountParts, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { token: secret } = request.params as { readonly token: string }
  await db.transaction(async (tx) => {
    const token = tx
      .selectFrom('token')
      .innerJoin('account', 'account.id', 'token.account_id')
      .select(['token.id', 'account.id as account', 'account.login'])
    const row = await token.where('token.hash', '=', hashToken(secret)).where('token.kind', '=', 'personal').executeTakeFirst()
    if (row === undefined) return
    const accountId = row.account as AccountId
    const actor = { accountId, name: row.login, ip: sentFrom(request), requestId: request.id }
    await revokeTokenById(tx, row.id, { accountId }, actor)
  })
  return sendJson(reply, 200, { ok: true })
}

function asRefusal(error: unknown): never {
  if (error instanceof InputError && error.code === 'bad-password') throw new Refusal(401, 'bad-credentials', error.message)
  rethrowOtp(error)
}
