// Tokens listed, never with their secrets, and what they are bound to as far as a caller may know.
import type { Queries } from '../db/index.ts'
import type { Grant, Scope } from './grant.ts'
import type { AccountId, Identity, PackageId, RepositoryId } from './identity.ts'
import { mayRead, readableBy } from './readable.ts'
import { fullName } from './repositories.ts'
import { repositoryOf, repositoryRows } from './repository-rows.ts'
import { accountId } from './token-issue.ts'
import type { TokenKind } from './tokens.ts'

export interface TokenFacts {
  readonly id: number
  readonly kind: TokenKind
  /** Whose it is: the account's login; of a deployment's or a CI job's token the repository's full name. */
  readonly bearer: string
  readonly accountId: AccountId | null
  readonly name: string
  /** Null: whatever its bearer may. */
  readonly grant: Grant | null
  readonly createdAt: Date
  readonly expiresAt: Date | null
  readonly lastUsedAt: Date | null
}

/** An account's, a repository's, or (null) everybody's. */
export type TokensOf = { readonly account: string } | { readonly repositoryId: RepositoryId } | null

/** By bearer and name: all of them, or one page. Sessions are none. InputError 'no-such-account'. */
export async function listTokens(
  queries: Queries,
  of: TokensOf,
  page?: { readonly page: number; readonly perPage: number },
): Promise<TokenFacts[]> {
  const rows = await (await tokenRows(queries, of))
    .leftJoin('account', 'account.id', 'token.account_id')
    .leftJoin('repository', 'repository.id', 'token.repository_id')
    .leftJoin('account as owner', 'owner.id', 'repository.owner_id')
    .select([
      'token.id',
      'token.kind',
      'token.name',
      'token.scopes',
      'token.owner_ids',
      'token.repository_ids',
      'token.package_ids',
      'token.account_id',
    ])
    .select(['token.created_at', 'token.expires_at', 'token.last_used_at'])
    .select(['account.login', 'owner.login as owner_login', 'repository.name as repository_name'])
    .orderBy('account.login')
    .orderBy('token.name')
    .orderBy('token.id')
    .$if(page !== undefined, (query) => query.limit(page?.perPage ?? 0).offset(((page?.page ?? 1) - 1) * (page?.perPage ?? 0)))
    .execute()
  return rows.map((row) => ({
    id: row.id,
    kind: row.kind as TokenKind,
    bearer: row.login ?? `${row.owner_login}/${row.repository_name}`,
    accountId: row.account_id as AccountId | null,
    name: row.name,
    grant: row.scopes === null ? null : grantOf(row, row.scopes),
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    lastUsedAt: row.last_used_at,
  }))
}

export async function countTokens(queries: Queries, of: TokensOf): Promise<number> {
  const rows = await tokenRows(queries, of)
  return (await rows.select((select) => select.fn.countAll<number>().as('total')).executeTakeFirstOrThrow()).total
}

async function tokenRows(queries: Queries, of: TokensOf) {
  const query = queries.selectFrom('token').where('token.kind', 'not in', ['session', 'lfs'])
  if (of === null) return query
  if ('repositoryId' in of) return query.where('token.repository_id', '=', of.repositoryId)
  return query.where('token.account_id', '=', await accountId(queries, of.account))
}

function grantOf(row: Readonly<Record<'owner_ids' | 'repository_ids' | 'package_ids', number[] | null>>, scopes: readonly string[]): Grant {
  return {
    scopes: scopes as Scope[],
    ownerIds: row.owner_ids as AccountId[] | null,
    repositoryIds: row.repository_ids as RepositoryId[] | null,
    packageIds: row.package_ids as PackageId[] | null,
  }
}

/** What the grants are bound to, by id: logins, and full names of repositories that the caller may read. What is gone is missing. */
export async function namesOfGrants(
  queries: Queries,
  identity: Identity,
  grants: readonly (Grant | null)[],
): Promise<{ readonly logins: ReadonlyMap<AccountId, string>; readonly fullNames: ReadonlyMap<RepositoryId, string> }> {
  const ownerIds = [...new Set(grants.flatMap((grant) => grant?.ownerIds ?? []))]
  const repositoryIds = [...new Set(grants.flatMap((grant) => grant?.repositoryIds ?? []))]
  const owners =
    ownerIds.length === 0 ? [] : await queries.selectFrom('account').select(['id', 'login']).where('id', 'in', ownerIds).execute()
  const rows =
    repositoryIds.length === 0
      ? []
      : await repositoryRows(queries, identity).where('repository.id', 'in', repositoryIds).where(readableBy(identity)).execute()
  const readable = rows.map(repositoryOf).filter((repository) => mayRead(identity, repository))
  return {
    logins: new Map(owners.map(({ id, login }) => [id as AccountId, login])),
    fullNames: new Map(readable.map((repository) => [repository.id, fullName(repository)])),
  }
}
