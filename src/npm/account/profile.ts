// `npm profile`: who one is, and one's second factor. npm's own registry keeps more of people (their pages elsewhere); here that is refused rather than dropped.
import type { FastifyReply, FastifyRequest } from 'fastify'
import { type Account, accountOf, actorOf, callerOf, changeAccount } from '../../access/index.ts'
import { InputError } from '../../base/index.ts'
import { Refusal, sentFrom, sentOrigin } from '../../http/index.ts'
import { checkPassword, type OtpMode, setPassword } from '../../sign-in/index.ts'
import { sendJson } from '../protocol/form.ts'
import { type JsonObject, readObject, textIn } from '../protocol/json-body.ts'
import { demandOtp, otpOf, rethrowOtp } from './otp.ts'
import { type AccountParts, smallBodyBytes } from './parts.ts'

/** What npm's clients send with every change, and nobody here keeps. */
const notKept = ['homepage', 'freenode', 'twitter', 'github'] as const

export async function getProfile(parts: AccountParts, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  return sendJson(reply, 200, await profileOf(parts, accountOf(request)))
}

async function profileOf({ db, secondFactors }: AccountParts, account: Account) {
  const factor = await secondFactors.find(db.queries, account.id)
  return {
    tfa: factor === null ? false : { pending: factor.isPending, mode: factor.mode },
    name: account.login,
    email: account.email ?? '',
    email_verified: account.isEmailVerified,
    fullname: account.displayName ?? '',
    created: account.createdAt.toISOString(),
    updated: account.createdAt.toISOString(),
    cidr_whitelist: null,
  }
}

/** A change of what is sent, in npm's shape. */
export async function setProfile(parts: AccountParts, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const body = await readObject(request, smallBodyBytes)
  if ('tfa' in body && body.tfa !== null) return sendJson(reply, 200, { tfa: await changeTfa(parts, request, body.tfa) })
  const unknown = notKept.find((name) => (body[name] ?? '') !== '')
  if (unknown !== undefined)
    throw new InputError('not-kept', `'${unknown}' is not kept here: a profile has an email, a fullname and a password`)
  const account = accountOf(request)
  await demandOtp(parts, request, callerOf(request), { isOnce: true })
  if ('password' in body && body.password !== null) await changePassword(parts, request, body.password)
  const changed = await changeFacts(parts, request, account, body)
  return sendJson(reply, 200, await profileOf(parts, changed))
}

async function changeFacts({ db }: AccountParts, request: FastifyRequest, account: Account, body: JsonObject): Promise<Account> {
  const [email, displayName] = [textIn(body, 'email', 254), textIn(body, 'fullname', 255)]
  const change = {
    ...('email' in body && email !== account.email ? { email: email === '' ? null : email } : {}),
    ...('fullname' in body && displayName !== account.displayName ? { displayName: displayName === '' ? null : displayName } : {}),
  }
  if (change.email && !/^[^\s@\p{Cc}]+@[^\s@\p{Cc}]+$/u.test(change.email)) throw new InputError('bad-email', 'The email address is none')
  if (change.displayName && /\p{Cc}/u.test(change.displayName)) throw new InputError('bad-name', 'The fullname is one line')
  if (Object.keys(change).length === 0) return account
  return (await changeAccount(db, account.id, change, actorOf(request))) ?? account
}

async function changePassword({ signIn }: AccountParts, request: FastifyRequest, given: unknown): Promise<void> {
  const { old: current, new: password } = objectOf(given, 'password') as { readonly old?: unknown; readonly new?: unknown }
  if (typeof password !== 'string') throw new InputError('bad-json', "'password' holds the old one and the new one")
  const account = accountOf(request)
  const wanted = { password, current: typeof current === 'string' && current !== '' ? current : null, caller: callerOf(request) }
  const set = () => setPassword(signIn, account, wanted, actorOf(request))
  await (signIn.failures === undefined ? set() : signIn.failures.tryPassword(request.ip, account.login, set)).catch(wrongPassword)
}

/** Begins, ends, changes, or (by a list with a code in it) confirms. What is told is what npm shows. */
async function changeTfa(parts: AccountParts, request: FastifyRequest, given: unknown): Promise<unknown> {
  const account = accountOf(request)
  const { secondFactors } = parts
  if (Array.isArray(given)) {
    const [code] = given as unknown[]
    return secondFactors.confirm(account, typeof code === 'string' ? code.trim() : '', actorOf(request)).catch(rethrowOtp)
  }
  const wanted = objectOf(given, 'tfa')
  const mode = wanted.mode
  if (mode !== 'auth-only' && mode !== 'auth-and-writes' && mode !== 'disable')
    throw new InputError('bad-mode', "The mode of two-factor authentication is 'auth-only', 'auth-and-writes', or 'disable'")
  await assertPasswordOf(parts, request, wanted.password)
  if (mode === 'disable') {
    await secondFactors.disable(account, otpOf(request), actorOf(request)).catch(rethrowOtp)
    return false
  }
  const present = await secondFactors.find(parts.db.queries, account.id)
  if (present === null || present.isPending) return beginTfa(parts, request, account, mode)
  await secondFactors.change(account, otpOf(request), mode, actorOf(request)).catch(rethrowOtp)
  return { pending: false, mode }
}

async function beginTfa({ publicUrl, secondFactors }: AccountParts, request: FastifyRequest, account: Account, mode: OtpMode) {
  return secondFactors.begin(account, mode, new URL(publicUrl ?? sentOrigin(request)).host)
}

/** Whoever finds a client's token lying about doesn't have it. Where the account has none, nothing is asked. */
export async function assertPasswordOf({ db, signIn }: AccountParts, request: FastifyRequest, given: unknown): Promise<boolean> {
  const { accountId, login } = callerOf(request)
  const row = await db.queries.selectFrom('account').select('password_hash').where('id', '=', accountId).executeTakeFirst()
  if ((row?.password_hash ?? null) === null) return false
  const password = typeof given === 'string' ? given : ''
  const known = { ...signIn, secondFactors: undefined } // asked for by itself
  await checkPassword(known, { login, password }, { ip: sentFrom(request), requestId: request.id }).catch(wrongPassword)
  return true
}

function wrongPassword(error: unknown): never {
  if (error instanceof InputError && error.code === 'bad-password') throw new Refusal(403, 'bad-password', 'The password is wrong')
  throw error
}

function objectOf(value: unknown, name: string): JsonObject {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject
  throw new InputError('bad-json', `'${name}' must be an object`)
}
