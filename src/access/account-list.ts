// Pages of accounts, and the organisations that an account belongs to as far as a caller may know.
import { type Queries, sql } from '../db/index.ts'
import { type Account, accountIn, accountResource, accountRows } from './accounts.ts'
import type { AccountId, Identity, Role } from './identity.ts'
import { type AccountKind, may } from './may.ts'

/** Accounts in the order in which they were made, from the first one after that id. */
export async function listAccounts(
  queries: Queries,
  { kind, since, most }: { readonly kind?: AccountKind; readonly since: number; readonly most: number },
): Promise<Account[]> {
  const rows = await accountRows(queries)
    .where('account.id', '>', since as AccountId)
    .$if(kind !== undefined, (query) => query.where('account.kind', '=', kind as AccountKind))
    .orderBy('account.id')
    .limit(most)
    .execute()
  return rows.map(accountIn)
}

export interface Membership {
  /** As the caller stands to it. */
  readonly organization: Account
  readonly role: Role
}

/** The account's memberships by login of the organisation: those that the caller may know of. All at once: they are few. */
export async function listMemberships(queries: Queries, identity: Identity, accountId: AccountId): Promise<Membership[]> {
  const rows = await accountRows(queries, identity)
    .innerJoin('membership', 'membership.organization_id', 'account.id')
    .where('membership.account_id', '=', accountId)
    .select('membership.role as member_role')
    .orderBy('account.login')
    .execute()
  return rows
    .map((row) => ({ organization: accountIn(row), role: row.member_role }))
    .filter(({ organization }) => may(identity, 'organization:read', accountResource(organization)))
}

/** All of them by login. For the operator's commands. */
export async function allAccounts(queries: Queries, kind: AccountKind): Promise<Account[]> {
  const rows = await accountRows(queries).where('account.kind', '=', kind).orderBy(sql`lower(account.login)`).execute()
  return rows.map(accountIn)
}
