// `npm token`: the caller's personal tokens, over the server's own (docs/design/access.md). npm names a token by its key: digits of a hash of the hash that is stored.
import { hash } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { accountOf, actorOf, callerOf, delegateToken, hashToken, issueToken, type NewToken, revokeTokenById } from '../../access/index.ts'
import { hex, InputError } from '../../base/index.ts'
import { sql } from '../../db/index.ts'
import { notFound } from '../../http/index.ts'
import { sendJson } from '../protocol/form.ts'
import { readObject, textIn } from '../protocol/json-body.ts'
import { demandOtp } from './otp.ts'
import { type AccountParts, smallBodyBytes } from './parts.ts'
import { assertPasswordOf } from './profile.ts'
import { grantOfBody } from './token-grant.ts'

const mostDays = 3650
const dayMs = 86_400_000
const keyDigits = 32
const pageSizes = { usual: 100, most: 1000 }

/** Whichever secret of ours begins so: npm tells by it which of the listed tokens a secret is. */
const shownSecret = 'stm_'
const keyOf = sql<string>`left(encode(sha256(token.hash), 'hex'), ${sql.lit(keyDigits)})`

interface Row {
  readonly key: string
  readonly name: string
  readonly scopes: string[] | null
  readonly created_at: Date
  readonly expires_at: Date | null
  readonly last_used_at: Date | null
  readonly bypasses_otp: boolean
}

export async function listNpmTokens({ db }: AccountParts, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { page: wantedPage, perPage: wantedSize } = request.query as { readonly page?: unknown; readonly perPage?: unknown }
  const page = Math.min(1e6, countIn(wantedPage) ?? 0)
  const size = Math.max(1, Math.min(pageSizes.most, countIn(wantedSize) ?? pageSizes.usual))
  const own = db.queries.selectFrom('token').where('account_id', '=', accountOf(request).id).where('kind', '=', 'personal')
  const rows = await own
    .select([keyOf.as('key'), 'name', 'scopes', 'created_at', 'expires_at', 'last_used_at', 'bypasses_otp'])
    .orderBy('id', 'desc')
    .limit(size + 1)
    .offset(page * size)
    .execute()
  const { total } = await own.select((select) => select.fn.countAll<number>().as('total')).executeTakeFirstOrThrow()
  const urls = rows.length > size ? { next: `/-/npm/v1/tokens?page=${page + 1}&perPage=${size}` } : {}
  return sendJson(reply, 200, { objects: rows.slice(0, size).map(shown), total, urls })
}

function countIn(value: unknown): number | null {
  return typeof value === 'string' && /^\d{1,9}$/.test(value) ? Number(value) : null
}

function shown(row: Row) {
  return {
    token: shownSecret,
    key: row.key,
    name: row.name,
    readonly: row.scopes !== null && row.scopes.every((scope) => scope.endsWith(':read')),
    automation: row.bypasses_otp,
    bypass_2fa: row.bypasses_otp,
    scopes: row.scopes,
    cidr_whitelist: null,
    created: row.created_at.toISOString(),
    updated: row.created_at.toISOString(),
    last_used: row.last_used_at?.toISOString() ?? null,
    expires: row.expires_at?.toISOString() ?? null,
  }
}

/**
 * Whoever shows the account's password gets what a session could have; without one (the account has none) a token makes none that is stronger than itself.
 * InputError `bad-token`, and as `delegateToken`.
 */
export async function createNpmToken(parts: AccountParts, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { db, clock, randomness, root } = parts
  const body = await readObject(request, smallBodyBytes)
  const caller = callerOf(request)
  const { owner = null } = request.params as { readonly owner?: string }
  const grant = await grantOfBody(body, { queries: db.queries, identity: request.identity, owner, root })
  const now = clock.now()
  const expires = expiryIn(body.expires, now)
  const name =
    nameIn(textIn(body, 'name', 255), textIn(body, 'description', 500)) ??
    `npm token ${new Date(now).toISOString()} ${hex(randomness.bytes(4))}`
  const isShown = await assertPasswordOf(parts, request, body.password)
  await demandOtp(parts, request, caller, { isOnce: true })
  const wanted: NewToken = {
    kind: 'personal',
    bearer: { kind: 'account', accountId: caller.accountId, login: caller.login },
    name,
    grant,
    expiresAt: expires,
    actor: actorOf(request),
    bypassesOtp: body.bypass_2fa === true || body.automation === true,
  }
  const { secret } = await db.transaction((tx) =>
    isShown ? issueToken(tx, wanted, randomness) : delegateToken(tx, caller, wanted, randomness),
  )
  const made = {
    key: keyOfSecret(secret),
    name,
    scopes: [...grant.scopes],
    created_at: new Date(now),
    expires_at: expires,
    last_used_at: null,
  }
  return sendJson(reply, 201, { ...shown({ ...made, bypasses_otp: wanted.bypassesOtp === true }), token: secret })
}

function keyOfSecret(secret: string): string {
  return hash('sha256', hashToken(secret), 'hex').slice(0, keyDigits)
}

function nameIn(name: string | null, description: string | null): string | null {
  const text = [name, description].filter((one) => one !== null && one.trim() !== '').join(': ')
  return text === '' ? null : text.slice(0, 255)
}

/** Days from now. */
function expiryIn(days: unknown, nowMs: number): Date | null {
  if (days === undefined || days === null) return null
  if (typeof days === 'number' && Number.isInteger(days) && days >= 1 && days <= mostDays) return new Date(nowMs + days * dayMs)
  throw new InputError('bad-token', `This token can not be made: it expires in 1 to ${mostDays} days`)
}

/** By its key, or by itself. */
export async function revokeNpmToken(parts: AccountParts, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { db } = parts
  const caller = callerOf(request)
  const { key } = request.params as { readonly key: string }
  await demandOtp(parts, request, caller, { isOnce: false })
  const isGone = await db.transaction(async (tx) => {
    const own = tx.selectFrom('token').select('id').where('account_id', '=', caller.accountId).where('kind', '=', 'personal')
    const named = key.startsWith(shownSecret) ? own.where('hash', '=', hashToken(key)) : own.where(keyOf, '=', key)
    const row = await named.executeTakeFirst()
    return row !== undefined && (await revokeTokenById(tx, row.id, { accountId: caller.accountId }, actorOf(request)))
  })
  if (!isGone) throw notFound()
  return reply.code(204).send()
}
