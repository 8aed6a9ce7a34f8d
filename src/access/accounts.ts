// Account rows: users and organisations. Logins are told apart without regard to case, and kept as they were given.
import { InputError } from '../base/index.ts'
import { type Database, type Queries, sql, sqlState, type Tx } from '../db/index.ts'
import { type Actor, audit, operator } from './audit.ts'
import type { AuditAction } from './audit-actions.ts'
import { type AccountId, anonymous, type Identity, type Role } from './identity.ts'
import type { AccountKind, AccountResource } from './may.ts'
import { raiseSigningVersion } from './signing-version.ts'
import { assertLogin } from './names.ts'
import { administrator } from './token-issue.ts'

export interface Account {
  readonly id: AccountId
  readonly login: string
  readonly kind: AccountKind
  readonly isAdmin: boolean
  readonly displayName: string | null
  readonly email: string | null
  /** Somebody else than the user says that it is his. */
  readonly isEmailVerified: boolean
  readonly createdAt: Date
  /** Since then it may do nothing. */
  readonly suspendedAt: Date | null
  /** Of whoever it was asked for, in an organisation. */
  readonly callerRole: Role | null
}

/** What `may` is asked about. */
export function accountResource({ id, kind, callerRole }: Account): AccountResource {
  return { kind: 'account', accountId: id, accountKind: kind, role: callerRole }
}

/** The account of that login, in any case, as that caller stands to it; null when there is none. */
export async function findAccount(queries: Queries, login: string, identity: Identity = anonymous): Promise<Account | null> {
  if (login.includes('\0')) return null // PostgreSQL's text holds none
  const row = await accountRows(queries, identity).where(sql<boolean>`lower(account.login) = ${login.toLowerCase()}`).executeTakeFirst()
  return row ? accountIn(row) : null
}

/** The same by id. */
export async function findAccountById(queries: Queries, id: AccountId, identity: Identity = anonymous): Promise<Account | null> {
  const row = await accountRows(queries, identity).where('account.id', '=', id).executeTakeFirst()
  return row ? accountIn(row) : null
}

/** Every account, as that caller stands to it: the base of lists. */
export function accountRows(queries: Queries, identity: Identity = anonymous) {
  const callerId = identity.kind === 'account' ? identity.accountId : null
  return queries
    .selectFrom('account')
    .leftJoin('membership as own', (join) => join.onRef('own.organization_id', '=', 'account.id').on('own.account_id', '=', callerId))
    .select([
      'account.id',
      'account.login',
      'account.kind',
      'account.is_admin',
      'account.display_name',
      'account.email',
      'account.email_is_verified',
    ])
    .select(['account.created_at', 'account.suspended_at', 'own.role as caller_role'])
}

type AccountRow = Awaited<ReturnType<ReturnType<typeof accountRows>['executeTakeFirstOrThrow']>>

export function accountIn(row: AccountRow): Account {
  return {
    id: row.id as AccountId,
    login: row.login,
    kind: row.kind as AccountKind,
    isAdmin: row.is_admin,
    displayName: row.display_name,
    email: row.email,
    isEmailVerified: row.email_is_verified,
    createdAt: row.created_at,
    suspendedAt: row.suspended_at,
    callerRole: row.caller_role,
  }
}

export interface NewAccount {
  readonly login: string
  readonly isAdmin?: boolean
  readonly displayName?: string | null
  readonly email?: string | null
  /** Who makes it; the operator when left out. */
  readonly actor?: Actor
}

/** A new user. InputError `bad-login`, `reserved-login` or `account-exists`. */
export async function createAccount(db: Database, options: NewAccount): Promise<Account> {
  return db.transaction((tx) => insertAccount(tx, 'user', options), { mayRetry: true })
}

/** The row and its audit, in the caller's transaction. InputError as `createAccount`. */
export async function insertAccount(tx: Tx, kind: AccountKind, options: NewAccount): Promise<Account> {
  const { login, isAdmin = false, displayName = null, email = null, actor = operator } = options
  assertLogin(login)
  // The administrator's own name is not to be had before he is.
  if (login.toLowerCase() === administrator) throw new InputError('reserved-login', `The name '${login}' is reserved`)
  const made = await tx
    .insertInto('account')
    .values({ login, kind, is_admin: isAdmin, display_name: displayName, email, email_is_verified: email !== null })
    .returning('id')
    .executeTakeFirstOrThrow()
    .catch(rethrowTaken(login))
  const details = isAdmin ? { isAdmin } : {}
  await audit(tx, actor, { action: kind === 'user' ? 'account.create' : 'organization.create', ownerId: made.id, target: login, details })
  return accountIn(await accountRows(tx).where('account.id', '=', made.id).executeTakeFirstOrThrow())
}

export interface AccountChange {
  readonly login?: string
  readonly displayName?: string | null
  readonly email?: string | null
  readonly isAdmin?: boolean
  /** Its sessions end, and its tokens open nothing while it is. */
  readonly isSuspended?: boolean
}

/**
 * Changes an account; null when it is gone. InputError `bad-login`, `reserved-login`, `account-exists`, `last-administrator`, `no-administrator`
 * (an organisation is none, and is never suspended).
 */
export async function changeAccount(db: Database, id: AccountId, change: AccountChange, actor: Actor): Promise<Account | null> {
  return db.transaction(
    async (tx) => {
      const { login, displayName, email, isAdmin, isSuspended } = change
      const before = await tx.selectFrom('account').selectAll().where('id', '=', id).forUpdate().executeTakeFirst()
      if (before === undefined) return null
      if (before.kind !== 'user' && (isAdmin === true || isSuspended === true)) {
        throw new InputError('no-administrator', `${before.login} is an organisation: it can neither be an administrator nor be suspended`)
      }
      const isLosing = before.is_admin && before.suspended_at === null && (isAdmin === false || isSuspended === true)
      if (isLosing) await assertOtherAdministrator(tx, id)
      if (login !== undefined) assertNewLogin(before.login, login)
      await tx
        .updateTable('account')
        .set({
          ...(displayName === undefined ? {} : { display_name: displayName }),
          ...(email === undefined ? {} : { email, email_is_verified: isVerified(before, email, actor) }),
          ...(isAdmin === undefined ? {} : { is_admin: isAdmin }),
          ...(isSuspended === undefined ? {} : { suspended_at: isSuspended ? (before.suspended_at ?? sql<Date>`now()`) : null }),
          login: login ?? before.login,
        })
        .where('id', '=', id)
        .execute()
        .catch(rethrowTaken(login ?? ''))
      if (email !== undefined) await raiseSigningVersion(tx)
      if (isSuspended === true) await tx.deleteFrom('token').where('account_id', '=', id).where('kind', '=', 'session').execute()
      for (const [action, details] of acts(before, change)) await audit(tx, actor, { action, ownerId: id, target: before.login, details })
      return accountIn(await accountRows(tx).where('account.id', '=', id).executeTakeFirstOrThrow())
    },
    { mayRetry: true },
  )
}

/** Whether somebody other than the user says that the address is his: commits in its name are his, then. */
function isVerified(
  before: { readonly id: number; readonly email: string | null; readonly email_is_verified: boolean },
  email: string | null,
  actor: Actor,
): boolean {
  if (email === null) return false
  return actor.accountId !== before.id || (before.email_is_verified && email === before.email)
}

interface AccountBefore {
  readonly kind: AccountKind
  readonly login: string
  readonly is_admin: boolean
  readonly suspended_at: Date | null
}

/** What the change comes to, as the audit tells it: what was so already is no act. */
function acts(before: AccountBefore, change: AccountChange): [AuditAction, Record<string, unknown>][] {
  const { login, displayName, email, isAdmin, isSuspended } = change
  const isUser = before.kind === 'user'
  const told: [AuditAction, Record<string, unknown>][] = []
  if (login !== undefined && login !== before.login) told.push([isUser ? 'account.rename' : 'organization.rename', { login }])
  if (isAdmin !== undefined && isAdmin !== before.is_admin) told.push([isAdmin ? 'account.promote' : 'account.demote', {}])
  if (isSuspended !== undefined && isSuspended !== (before.suspended_at !== null)) {
    told.push([isSuspended ? 'account.suspend' : 'account.unsuspend', {}])
  }
  if (displayName !== undefined || email !== undefined) {
    const details = { ...(displayName === undefined ? {} : { displayName }), ...(email === undefined ? {} : { email }) }
    told.push([isUser ? 'account.change' : 'organization.change', details])
  }
  return told
}

/** The administrator's own name goes with what the server's start makes, and is neither given nor taken. */
function assertNewLogin(before: string, login: string): void {
  assertLogin(login)
  const isSame = before.toLowerCase() === login.toLowerCase()
  if (!isSame && [before, login].some((name) => name.toLowerCase() === administrator)) {
    throw new InputError('reserved-login', `The name '${administrator}' is reserved for the server's first account`)
  }
}

function rethrowTaken(login: string): (error: unknown) => never {
  return (error) => {
    if (sqlState(error) !== '23505') throw error
    throw new InputError('account-exists', `There is an account '${login}' already`, { cause: error })
  }
}

/** The rows are locked: of two who step down at once, one stays. */
async function assertOtherAdministrator(tx: Tx, id: AccountId): Promise<void> {
  const others = await tx
    .selectFrom('account')
    .select('id')
    .where('is_admin', '=', true)
    .where('suspended_at', 'is', null)
    .where('id', '!=', id)
    .orderBy('id')
    .forUpdate()
    .execute()
  if (others.length === 0) throw new InputError('last-administrator', 'This is the last administrator; make another one first')
}

/**
 * Deletes a user, or an organisation, and what belongs to it alone: tokens, memberships, keys. False when it was gone already.
 * InputError `account-has-repositories`, `account-has-packages`, `last-administrator`, `last-member-admin` (an organisation would have nobody who administers it).
 */
export async function deleteAccount(db: Database, id: AccountId, actor: Actor): Promise<boolean> {
  return db.transaction(
    async (tx) => {
      const account = await tx.selectFrom('account').selectAll().where('id', '=', id).forUpdate().executeTakeFirst()
      if (account === undefined) return false
      if (account.is_admin && account.suspended_at === null) await assertOtherAdministrator(tx, id)
      const own = await tx.selectFrom('repository').select('id').where('owner_id', '=', id).limit(1).executeTakeFirst()
      if (own !== undefined) {
        throw new InputError('account-has-repositories', `${account.login} has repositories; delete or transfer them first`)
      }
      const published = await tx.selectFrom('package').select('id').where('owner_id', '=', id).limit(1).executeTakeFirst()
      if (published !== undefined) throw new InputError('account-has-packages', `${account.login} has packages; delete them first`)
      await assertNobodysOnlyAdmin(tx, id)
      await tx.deleteFrom('account').where('id', '=', id).execute()
      await raiseSigningVersion(tx) // its keys went with it
      const action = account.kind === 'user' ? 'account.delete' : 'organization.delete'
      await audit(tx, actor, { action, ownerId: id, target: account.login })
      return true
    },
    { mayRetry: true },
  )
}

/** Organisations are locked as in `setMember`: of two who leave at once, one stays. */
async function assertNobodysOnlyAdmin(tx: Tx, id: AccountId): Promise<void> {
  const organizations = await tx
    .selectFrom('account')
    .select(['id', 'login'])
    .where('id', 'in', (own) =>
      own.selectFrom('membership').select('organization_id').where('account_id', '=', id).where('role', '=', 'admin'),
    )
    .orderBy('id')
    .forUpdate()
    .execute()
  for (const organization of organizations) {
    const other = await tx
      .selectFrom('membership')
      .select('account_id')
      .where('organization_id', '=', organization.id)
      .where('role', '=', 'admin')
      .where('account_id', '!=', id)
      .limit(1)
      .executeTakeFirst()
    if (other === undefined)
      throw new InputError(
        'last-member-admin',
        `Nobody else administers ${organization.login}; make someone its admin, or delete it, first`,
      )
  }
}
