// Tokens made and revoked. A token's secret is `stm_` and 40 hex digits (160 random bits); only its SHA-256 is stored, so a copy of the
// database gives nobody access. Every token that is made or revoked stands in the audit, but for sessions, whose beginning does.
import { hash } from 'node:crypto'
import { type Clock, InputError, type Randomness, hex } from '../base/index.ts'
import { type Database, type Queries, sqlState, type Tx } from '../db/index.ts'
import { type Actor, audit, operator } from './audit.ts'
import type { Grant } from './grant.ts'
import type { AccountId, RepositoryId } from './identity.ts'
import type { TokenKind } from './tokens.ts'

/** The first account; administers everything. */
export const administrator = 'admin'
/** The name of the token that STEMMA_ADMIN_TOKEN sets. */
export const configuredTokenName = 'STEMMA_ADMIN_TOKEN'

/** What is stored of a token: 32 bytes. */
export function hashToken(secret: string): Uint8Array {
  return hash('sha256', secret, 'buffer')
}

export function makeSecret(randomness: Randomness): string {
  return `stm_${hex(randomness.bytes(20))}`
}

export interface NewToken {
  readonly kind: TokenKind
  readonly bearer:
    | { readonly kind: 'account'; readonly accountId: AccountId; readonly login: string }
    | { readonly kind: 'repository'; readonly repositoryId: RepositoryId; readonly ownerId: AccountId; readonly fullName: string }
  /** One of each name for each account; for each repository one deployment's. */
  readonly name: string
  readonly grant: Grant | null
  readonly expiresAt: Date | null
  readonly actor: Actor
  /** Made for a machine, which has no second factor: none is asked of it. */
  readonly bypassesOtp?: boolean
  /** Of a CI job: what its provider says of it. */
  readonly claims?: Readonly<Record<string, unknown>>
}

/** Makes a token in the caller's transaction, and returns its secret, which can't be had again. InputError 'token-exists', 'token-name'. */
export async function issueToken(
  tx: Tx,
  wanted: NewToken,
  randomness: Randomness,
): Promise<{ readonly id: number; readonly secret: string }> {
  const { kind, bearer, name, grant, expiresAt, actor, claims, bypassesOtp = false } = wanted
  if (name.trim() === '' || name.length > 255 || /\p{Cc}|\p{Cs}/u.test(name)) {
    throw new InputError('token-name', 'a token name is one line of 1 to 255 characters, without tabs and other control characters')
  }
  const secret = makeSecret(randomness)
  const owner = bearer.kind === 'account' ? bearer.login : bearer.fullName
  const exists = (cause?: unknown) =>
    new InputError('token-exists', `${owner} has a token named '${name}' already; revoke it or choose another name`, { cause })
  if (kind === 'deploy' && bearer.kind === 'repository' && (await isDeploymentsName(tx, bearer.repositoryId, name))) throw exists()
  const { id } = await tx
    .insertInto('token')
    .values({
      kind,
      name,
      hash: hashToken(secret),
      account_id: bearer.kind === 'account' ? bearer.accountId : null,
      repository_id: bearer.kind === 'repository' ? bearer.repositoryId : null,
      scopes: grant === null ? null : [...grant.scopes],
      owner_ids: grant?.ownerIds ? [...grant.ownerIds] : null,
      repository_ids: grant?.repositoryIds ? [...grant.repositoryIds] : null,
      package_ids: grant?.packageIds ? [...grant.packageIds] : null,
      bypasses_otp: bypassesOtp,
      expires_at: expiresAt,
      created_by: actor.accountId,
      claims: claims === undefined ? null : JSON.stringify(claims),
    })
    .returning('id')
    .executeTakeFirstOrThrow()
    .catch((error: unknown) => {
      throw sqlState(error) === '23505' ? exists(error) : error
    })
  if (kind !== 'session') {
    await audit(tx, actor, {
      action: 'token.create',
      ownerId: bearer.kind === 'account' ? bearer.accountId : bearer.ownerId,
      repositoryId: bearer.kind === 'repository' ? bearer.repositoryId : null,
      target: owner,
      details: {
        kind,
        name,
        scopes: grant?.scopes ?? null,
        expiresAt,
        ...(bypassesOtp ? { bypassesOtp } : {}),
        ...(claims === undefined ? {} : { claims }),
      },
    })
  }
  return { id, secret }
}

/** No constraint says so, for repositories had several of one name once. Under the repository's lock: of two at once one finds the other's. */
async function isDeploymentsName(tx: Tx, repositoryId: RepositoryId, name: string): Promise<boolean> {
  await tx.selectFrom('repository').select('id').where('id', '=', repositoryId).forNoKeyUpdate().executeTakeFirst()
  const token = tx.selectFrom('token').select('id').where('repository_id', '=', repositoryId).where('kind', '=', 'deploy')
  return (await token.where('name', '=', name).limit(1).executeTakeFirst()) !== undefined
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
    if (made !== undefined) {
      await audit(tx, operator, { action: 'account.create', ownerId: made.id, target: administrator, details: { isAdmin: true } })
    }
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
      await audit(tx, operator, { action: 'token.create', ownerId: account, target: administrator, details: { name: configuredTokenName } })
      return null
    }
    if (made === undefined) return null
    const bearer = { kind: 'account', accountId: made.id as AccountId, login: administrator } as const
    const first = { kind: 'personal', bearer, name: 'first start', grant: null, expiresAt: null, actor: operator } as const
    return (await issueToken(tx, first, randomness)).secret
  })
}

/** False when the account's tokens, if it has any, have all expired. */
export async function hasWorkingToken(queries: Queries, login: string, clock: Clock): Promise<boolean> {
  const found = await queries
    .selectFrom('token')
    .select('id')
    .where('account_id', '=', await accountId(queries, login))
    .where('kind', '=', 'personal')
    .where((where) => where.or([where('expires_at', 'is', null), where('expires_at', '>', new Date(clock.now()))]))
    .executeTakeFirst()
  return found !== undefined
}

export interface WantedToken {
  readonly account: string
  readonly name: string
  readonly expiresAt: Date | null
  readonly grant?: Grant | null
  readonly actor?: Actor
}

/** Makes a personal token and returns its secret, which can't be had again. InputError 'no-such-account', 'token-exists', 'token-name'. */
export async function createToken(db: Database, wanted: WantedToken, randomness: Randomness): Promise<string> {
  const { account, name, expiresAt, grant = null, actor = operator } = wanted
  return db.transaction(async (tx) => {
    const bearer = { kind: 'account', accountId: (await accountId(tx, account)) as AccountId, login: account } as const
    return (await issueToken(tx, { kind: 'personal', bearer, name, grant, expiresAt, actor }, randomness)).secret
  })
}

/** From now on the account's token of that name opens nothing. InputError 'no-such-account', 'no-such-token'. */
export async function revokeToken(db: Database, account: string, name: string, actor: Actor = operator): Promise<void> {
  const bearer = { accountId: (await accountId(db.queries, account)) as AccountId }
  if ((await revokeTokensNamed(db, bearer, name, actor)) === 0)
    throw new InputError('no-such-token', `${account} has no token named '${name}'`)
}

type Bearer = { readonly accountId: AccountId } | { readonly repositoryId: RepositoryId }

/** From now on all that the bearer has of that name open nothing: how many they were. A repository may have several. Sessions have no names to end them by. */
export async function revokeTokensNamed(db: Database, bearer: Bearer, name: string, actor: Actor): Promise<number> {
  return db.transaction(
    async (tx) => {
      const [column, id] =
        'accountId' in bearer ? (['account_id', bearer.accountId] as const) : (['repository_id', bearer.repositoryId] as const)
      const tokens = tx.selectFrom('token').select('id').where(column, '=', id).where('kind', 'not in', ['session', 'lfs'])
      let gone = 0
      for (const { id } of await tokens.where('name', '=', name).orderBy('id').execute()) {
        if (await revokeTokenById(tx, id, bearer, actor)) gone++
      }
      return gone
    },
    { mayRetry: true },
  )
}

/** The same by id, in the caller's transaction: a token of that bearer. False: there is no such token. */
export async function revokeTokenById(tx: Tx, id: number, bearer: Bearer | 'anybody', actor: Actor): Promise<boolean> {
  let deletion = tx.deleteFrom('token').where('id', '=', id)
  if (bearer !== 'anybody') {
    deletion =
      'accountId' in bearer
        ? deletion.where('account_id', '=', bearer.accountId)
        : deletion.where('repository_id', '=', bearer.repositoryId)
  }
  const gone = await deletion.returning(['kind', 'name', 'account_id', 'repository_id']).executeTakeFirst()
  if (gone === undefined) return false
  const target = await bearerName(tx, gone)
  await audit(tx, actor, {
    action: 'token.revoke',
    ownerId: target.ownerId,
    repositoryId: gone.repository_id,
    target: target.name,
    details: { kind: gone.kind, name: gone.name },
  })
  return true
}

async function bearerName(
  tx: Tx,
  { account_id, repository_id }: { readonly account_id: number | null; readonly repository_id: number | null },
): Promise<{ readonly ownerId: number; readonly name: string }> {
  if (account_id !== null) {
    const { login } = await tx.selectFrom('account').select('login').where('id', '=', account_id).executeTakeFirstOrThrow()
    return { ownerId: account_id, name: login }
  }
  const row = await tx
    .selectFrom('repository')
    .innerJoin('account', 'account.id', 'repository.owner_id')
    .select(['account.id', 'account.login', 'repository.name'])
    .where('repository.id', '=', repository_id as number)
    .executeTakeFirstOrThrow()
  return { ownerId: row.id, name: `${row.login}/${row.name}` }
}

/** InputError 'no-such-account'. */
export async function accountId(queries: Queries, login: string): Promise<number> {
  const found = await queries
    .selectFrom('account')
    .select('id')
    .where((where) => where(where.fn<string>('lower', ['login']), '=', login.toLowerCase()))
    .executeTakeFirst()
  if (found === undefined) throw new InputError('no-such-account', `there is no account '${login}'`)
  return found.id
}
