// Account rows. Logins are told apart without regard to case, and kept as they were given.
import { InputError } from '../base/index.ts'
import { type Database, type Queries, sqlState } from '../db/index.ts'
import type { AccountId } from './identity.ts'
import { assertLogin } from './names.ts'
import { administrator } from './token-issue.ts'

export interface Account {
  readonly id: AccountId
  readonly login: string
  readonly isAdmin: boolean
  readonly createdAt: Date
}

/** The account of that login, in any case; null when there is none. */
export async function findAccount(queries: Queries, login: string): Promise<Account | null> {
  const row = await queries
    .selectFrom('account')
    .select(['id', 'login', 'is_admin', 'created_at'])
    .where((where) => where(where.fn<string>('lower', ['login']), '=', login.toLowerCase()))
    .executeTakeFirst()
  if (!row) return null
  return { id: row.id as AccountId, login: row.login, isAdmin: row.is_admin, createdAt: row.created_at }
}

/** A new account. InputError `bad-login`, `reserved-login` or `account-exists`. */
export async function createAccount(db: Database, options: { readonly login: string; readonly isAdmin?: boolean }): Promise<Account> {
  assertLogin(options.login)
  // The administrator's own name is not to be had before he is.
  if (options.login.toLowerCase() === administrator) throw new InputError('reserved-login', `The name '${options.login}' is reserved`)
  try {
    await db.queries
      .insertInto('account')
      .values({ login: options.login, is_admin: options.isAdmin ?? false })
      .execute()
  } catch (error) {
    if (sqlState(error) === '23505')
      throw new InputError('account-exists', `There is an account '${options.login}' already`, { cause: error })
    throw error
  }
  const account = await findAccount(db.queries, options.login)
  if (!account) throw new InputError('account-gone', `The account '${options.login}' was deleted meanwhile`)
  return account
}
