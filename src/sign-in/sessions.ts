// Sessions: how a browser stays signed in. A session is a token of its own kind, which only a cookie carries (docs/design/sign-in.md).
import { type Clock, InputError, type Randomness } from '../base/index.ts'
import {
  type Account,
  type AccountId,
  type AccountIdentity,
  type Actor,
  assertMayMake,
  audit,
  type Failures,
  hashToken,
  issueToken,
} from '../access/index.ts'
import { type Database, type Queries, sql, type Tx } from '../db/index.ts'
import { assertPassword, type Passwords } from './passwords.ts'
import type { SecondFactors } from './second-factors.ts'

export const sessionSeconds = 14 * 24 * 3600

export interface SignInParts {
  readonly db: Database
  readonly clock: Clock
  readonly randomness: Randomness
  readonly passwords: Passwords
  /** Counts wrong passwords; nobody does without it. */
  readonly failures?: Failures | undefined
  /** Without it nobody has one. */
  readonly secondFactors?: SecondFactors | undefined
}

export interface BegunSession {
  readonly accountId: AccountId
  readonly login: string
  /** What the cookie carries; it can't be had again. */
  readonly secret: string
  readonly expiresAt: Date
}

/** Where a sign-in comes from. */
export interface Visitor {
  readonly ip: string
  readonly requestId: string
  readonly userAgent: string | null
  /** The session that his browser had before: it ends. */
  readonly priorSecret: string | null
}

/** What somebody shows of himself. */
export interface ShownPassword {
  readonly login: string
  readonly password: string
  /** A one-time code, where he has a second factor. */
  readonly otp?: string | null
}

/** As `checkPassword`; also InputError `suspended`. */
export async function signInByPassword(parts: SignInParts, given: ShownPassword, visitor: Visitor): Promise<BegunSession> {
  const account = await checkPassword(parts, given, visitor)
  return parts.db.transaction((tx) => beginSession(tx, parts, account, visitor, 'password'))
}

export interface KnownAccount {
  readonly id: AccountId
  readonly login: string
  readonly isSuspended: boolean
}

/**
 * Whose that is. InputError `bad-password`: there is no such login, or it isn't its password; `otp-required`, `otp-wrong`, `otp-locked`: it is, and the second
 * factor is lacking. Refusal 429: too many were no good.
 */
export async function checkPassword(
  parts: SignInParts,
  given: ShownPassword,
  visitor: Pick<Visitor, 'ip' | 'requestId'>,
): Promise<KnownAccount> {
  const check = () => checkUncounted(parts, given, visitor)
  return parts.failures === undefined ? check() : parts.failures.tryPassword(visitor.ip, given.login, check)
}

async function checkUncounted(parts: SignInParts, given: ShownPassword, visitor: Pick<Visitor, 'ip' | 'requestId'>): Promise<KnownAccount> {
  const row = await parts.db.queries
    .selectFrom('account')
    .select(['id', 'login', 'password_hash', 'suspended_at'])
    .where(sql<boolean>`lower(login) = ${given.login.replaceAll('\0', ' ').toLowerCase()}`)
    .executeTakeFirst()
  const { isRight, isOld } = await parts.passwords.verify(given.password, row?.password_hash ?? null)
  if (row === undefined || !isRight) {
    await auditRefusal(parts.db.queries, row, visitor, 'password')
    throw new InputError('bad-password', 'Incorrect login or password')
  }
  const account = { id: row.id as AccountId, login: row.login, isSuspended: row.suspended_at !== null }
  await parts.secondFactors?.demand(account, given.otp ?? null).catch(async (error: unknown) => {
    if (error instanceof InputError && error.code !== 'otp-required') await auditRefusal(parts.db.queries, row, visitor, 'one-time code')
    throw error
  })
  if (isOld) {
    const anew = await parts.passwords.hash(given.password)
    await parts.db.queries.updateTable('account').set({ password_hash: anew }).where('id', '=', row.id).execute()
  }
  return account
}

/** For a login that isn't there, too: the row takes time, which would tell them apart. What was typed isn't kept: some type their password there. */
async function auditRefusal(
  queries: Queries,
  known: { readonly id: number; readonly login: string } | undefined,
  visitor: Pick<Visitor, 'ip' | 'requestId'>,
  how: 'password' | 'one-time code',
) {
  const { ip, requestId } = visitor
  const actor = { accountId: null, name: 'anonymous', ip, requestId }
  const { id: ownerId, login: target } = known ?? { id: null, login: '(no such login)' }
  await audit(queries, actor, { action: 'session.refuse', ownerId, target, details: { how } })
}

/** In the caller's transaction: the new session, with a new secret; the one that the browser had is gone. InputError `suspended`. */
export async function beginSession(
  tx: Tx,
  { clock, randomness }: Pick<SignInParts, 'clock' | 'randomness'>,
  account: KnownAccount,
  visitor: Visitor,
  how: 'password' | 'oidc',
): Promise<BegunSession> {
  const { id, login, isSuspended } = account
  if (isSuspended) throw new InputError('suspended', 'Your account is suspended; ask the administrator of this server')
  const { ip, requestId, userAgent, priorSecret } = visitor
  if (priorSecret !== null) await tx.deleteFrom('token').where('hash', '=', hashToken(priorSecret)).where('kind', '=', 'session').execute()
  const actor: Actor = { accountId: id, name: login, ip, requestId }
  const expiresAt = new Date(clock.now() + sessionSeconds * 1000)
  const { secret } = await issueToken(
    tx,
    {
      kind: 'session',
      bearer: { kind: 'account', accountId: id, login },
      name: `session ${randomness.uuid()}`,
      grant: null,
      expiresAt,
      actor,
      claims: { ip, userAgent: userAgent?.slice(0, 200) ?? null, how },
    },
    randomness,
  )
  await audit(tx, actor, { action: 'session.begin', ownerId: id, target: login, details: { how } })
  return { accountId: id, login, secret, expiresAt }
}

export interface SessionFacts {
  readonly id: number
  readonly createdAt: Date
  readonly expiresAt: Date | null
  readonly lastUsedAt: Date | null
  readonly ip: string | null
  readonly userAgent: string | null
}

/** The account's sessions that have not expired, the newest first. */
export async function listSessions(queries: Queries, accountId: AccountId): Promise<SessionFacts[]> {
  const rows = await queries
    .selectFrom('token')
    .select(['id', 'created_at', 'expires_at', 'last_used_at', 'claims'])
    .where('account_id', '=', accountId)
    .where('kind', '=', 'session')
    .where('expires_at', '>', sql<Date>`now()`)
    .orderBy('id', 'desc')
    .execute()
  return rows.map((row) => {
    const { ip = null, userAgent = null } = (row.claims ?? {}) as { ip?: string | null; userAgent?: string | null }
    return { id: row.id, createdAt: row.created_at, expiresAt: row.expires_at, lastUsedAt: row.last_used_at, ip, userAgent }
  })
}

/** False: the account has no such session. */
export async function endSession(db: Database, accountId: AccountId, tokenId: number, actor: Actor): Promise<boolean> {
  return db.transaction(async (tx) => {
    const gone = await tx
      .deleteFrom('token')
      .where('id', '=', tokenId)
      .where('account_id', '=', accountId)
      .where('kind', '=', 'session')
      .returning('id')
      .executeTakeFirst()
    if (gone === undefined) return false
    await audit(tx, actor, { action: 'session.end', ownerId: accountId, target: actor.name })
    return true
  })
}

/**
 * Sets the account's password and ends its sessions, but for the one that calls. InputError `weak-password`, `no-user` (an organisation has none).
 * Where a caller is named, `current` must be the present password: InputError `bad-password`; where there is none yet, what he shows must be good for all that
 * a session is: InputError `token-too-strong`, `token-too-long`. Without a caller the operator sets it.
 */
export async function setPassword(
  parts: Pick<SignInParts, 'db' | 'passwords'>,
  account: Pick<Account, 'id' | 'login' | 'kind'>,
  wanted: { readonly password: string; readonly current?: string | null; readonly caller?: AccountIdentity },
  actor: Actor,
): Promise<void> {
  const { db, passwords } = parts
  const { caller, current = null } = wanted
  let isFirst = false
  if (account.kind !== 'user') throw new InputError('no-user', `${account.login} is an organisation: nobody signs in as it`)
  assertPassword(wanted.password, account.login)
  if (caller !== undefined) {
    const row = await db.queries.selectFrom('account').select('password_hash').where('id', '=', account.id).executeTakeFirst()
    const stored = row?.password_hash ?? null
    isFirst = stored === null
    const isRight = stored === null ? current === null : (await passwords.verify(current ?? '', stored)).isRight
    if (!isRight) throw new InputError('bad-password', 'The current password is wrong')
  }
  const hash = await passwords.hash(wanted.password)
  await db.transaction(async (tx) => {
    // a session may whatever its account may
    if (isFirst && caller !== undefined) await assertMayMake(tx, caller, null)
    await tx.updateTable('account').set({ password_hash: hash }).where('id', '=', account.id).execute()
    await tx
      .deleteFrom('token')
      .where('account_id', '=', account.id)
      .where('kind', '=', 'session')
      .where('id', '!=', caller?.tokenId ?? 0)
      .execute()
    await audit(tx, actor, { action: 'account.password', ownerId: account.id, target: account.login })
  })
}
