// Tokens made, listed and revoked, as the operator's command and the start of the server need them. A token's secret is `stm_` and 40 hex digits
// (160 random bits); only its SHA-256 is stored, so a copy of the database gives nobody access.
import { createHash } from 'node:crypto'
import { type Clock, InputError, type Randomness, hex } from '../base/index.ts'
import type { Database, Queries } from '../db/index.ts'

/** The first account; administers everything. */
export const administrator = 'admin'
/** The name of the token that STEMMA_ADMIN_TOKEN sets. */
export const configuredTokenName = 'STEMMA_ADMIN_TOKEN'

export interface TokenFacts {
  readonly account: string
  readonly name: string
  readonly createdAt: Date
  readonly expiresAt: Date | null
  readonly lastUsedAt: Date | null
}

/** What is stored of a token: 32 bytes. */
export function hashToken(secret: string): Uint8Array {
  return createHash('sha256').update(secret, 'utf8').digest()
}

function makeSecret(randomness: Randomness): string {
  return `stm_${hex(randomness.bytes(20))}`
}

/**
 * Sees to it that the administrator exists. With a configured token: that one works from now on, and the one that was configured before
 * doesn't. Without: the very first call makes a token and returns its secret, later ones return null.
 */
export async function ensureAdministrator(database: Database, configured: string | null, randomness: Randomness): Promise<string | null> {
  return database.transaction(async (tx) => {
    const made = await tx
      .insertInto('account')
      .values({ login: administrator, is_admin: true })
      .onConflict((conflict) => conflict.doNothing())
      .returning('id')
      .executeTakeFirst()
    if (configured !== null) {
      const hash = hashToken(configured)
      const account = await accountId(tx, administrator)
      const known = await tx.selectFrom('token').select(['account_id', 'name']).where('hash', '=', hash).executeTakeFirst()
      if (known !== undefined && known.account_id === account && known.name === configuredTokenName) return null
      // The same secret under another name: it goes on as the configured one.
      await tx.deleteFrom('token').where('hash', '=', hash).execute()
      await tx
        .insertInto('token')
        .values({ account_id: account, name: configuredTokenName, hash })
        .onConflict((conflict) => conflict.columns(['account_id', 'name']).doUpdateSet({ hash, expires_at: null, last_used_at: null }))
        .execute()
      return null
    }
    if (made === undefined) return null
    const secret = makeSecret(randomness)
    await tx
      .insertInto('token')
      .values({ account_id: made.id, name: 'first start', hash: hashToken(secret) })
      .execute()
    return secret
  })
}

/** False when the account's tokens, if it has any, have all expired. */
export async function hasWorkingToken(queries: Queries, login: string, clock: Clock): Promise<boolean> {
  const found = await queries
    .selectFrom('token')
    .select('id')
    .where('account_id', '=', await accountId(queries, login))
    .where((where) => where.or([where('expires_at', 'is', null), where('expires_at', '>', new Date(clock.now()))]))
    .executeTakeFirst()
  return found !== undefined
}

/** Makes a token and returns its secret, which can't be had again. InputError 'no-such-account', 'token-exists', 'token-name'. */
export async function createToken(
  queries: Queries,
  wanted: { readonly account: string; readonly name: string; readonly expiresAt: Date | null },
  randomness: Randomness,
): Promise<string> {
  if (/\p{Cc}/u.test(wanted.name)) throw new InputError('token-name', 'a token name is one line, without tabs and other control characters')
  const account = await accountId(queries, wanted.account)
  const secret = makeSecret(randomness)
  const made = await queries
    .insertInto('token')
    .values({ account_id: account, name: wanted.name, hash: hashToken(secret), expires_at: wanted.expiresAt })
    .onConflict((conflict) => conflict.columns(['account_id', 'name']).doNothing())
    .returning('id')
    .executeTakeFirst()
  if (made === undefined)
    throw new InputError('token-exists', `${wanted.account} has a token named '${wanted.name}' already; revoke it or choose another name`)
  return secret
}

/** All tokens, or one account's, without their secrets. */
export async function listTokens(queries: Queries, account: string | null): Promise<TokenFacts[]> {
  let query = queries
    .selectFrom('token')
    .innerJoin('account', 'account.id', 'token.account_id')
    .select([
      'account.login as account',
      'token.name',
      'token.created_at as createdAt',
      'token.expires_at as expiresAt',
      'token.last_used_at as lastUsedAt',
    ])
    .orderBy('account.login')
    .orderBy('token.name')
  if (account !== null) query = query.where('account.id', '=', await accountId(queries, account))
  return query.execute()
}

/** From now on the token opens nothing. InputError 'no-such-account', 'no-such-token'. */
export async function revokeToken(queries: Queries, account: string, name: string): Promise<void> {
  const gone = await queries
    .deleteFrom('token')
    .where('account_id', '=', await accountId(queries, account))
    .where('name', '=', name)
    .executeTakeFirst()
  if (gone.numDeletedRows === 0n) throw new InputError('no-such-token', `${account} has no token named '${name}'`)
}

async function accountId(queries: Queries, login: string): Promise<number> {
  const found = await queries
    .selectFrom('account')
    .select('id')
    .where((where) => where(where.fn<string>('lower', ['login']), '=', login.toLowerCase()))
    .executeTakeFirst()
  if (found === undefined) throw new InputError('no-such-account', `there is no account '${login}'`)
  return found.id
}
