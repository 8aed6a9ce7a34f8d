// Organisations and their members: who has which role where. Each change stands in the audit and the outbox.
import { InputError } from '../base/index.ts'
import { type Database, type PageRequest, type Queries, readPage, sql, type Tx } from '../db/index.ts'
import { type Account, accountIn, accountRows, insertAccount } from './accounts.ts'
import { type Actor, audit } from './audit.ts'
import type { AccountId, Role } from './identity.ts'

export interface Member {
  readonly account: Account
  readonly role: Role
}

/** A new organisation; whoever makes it administers it. InputError as `createAccount`. */
export async function createOrganization(
  db: Database,
  options: { readonly login: string; readonly displayName?: string | null; readonly firstAdmin: AccountId; readonly actor: Actor },
): Promise<Account> {
  return db.transaction(
    async (tx) => {
      const made = await insertAccount(tx, 'organization', options)
      await tx.insertInto('membership').values({ organization_id: made.id, account_id: options.firstAdmin, role: 'admin' }).execute()
      const login = await loginOf(tx, options.firstAdmin)
      await auditMember(tx, options.actor, { organization: made, action: 'member.add', login, role: 'admin', before: null })
      return made
    },
    { mayRetry: true },
  )
}

/** One page of the organisation's members by login, and how many there are in all. */
export async function listMembers(
  queries: Queries,
  organizationId: AccountId,
  { roles, ...wanted }: PageRequest & { readonly roles?: readonly Role[] },
): Promise<{ members: Member[]; total: number }> {
  const rows = accountRows(queries)
    .innerJoin('membership', 'membership.account_id', 'account.id')
    .where('membership.organization_id', '=', organizationId)
    .$if(roles !== undefined, (query) => query.where('membership.role', 'in', [...(roles ?? [])]))
    .select('membership.role as member_role')
  const { found, total } = await readPage(rows, (all) => all.orderBy(sql`lower(account.login)`), wanted)
  return { members: found.map((row) => ({ account: accountIn(row), role: row.member_role })), total }
}

/** The role that the account has by its membership; null: it is no member. */
export async function memberRole(queries: Queries, organizationId: AccountId, accountId: AccountId): Promise<Role | null> {
  const row = await queries
    .selectFrom('membership')
    .select('role')
    .where('organization_id', '=', organizationId)
    .where('account_id', '=', accountId)
    .executeTakeFirst()
  return row?.role ?? null
}

/**
 * Makes the user a member with that role, changes it, or (null) ends the membership. False when nothing changed. InputError `no-member` for an
 * organisation, `last-member-admin` when nobody would administer the organisation.
 */
export async function setMember(db: Database, organization: Account, member: Account, role: Role | null, actor: Actor): Promise<boolean> {
  if (member.kind !== 'user') throw new InputError('no-member', `${member.login} is an organisation; its members are users`)
  return db.transaction(
    async (tx) => {
      // one change of an organisation's members after the other, so that one who administers it stays
      await tx.selectFrom('account').select('id').where('id', '=', organization.id).forUpdate().executeTakeFirst()
      const before = await memberRole(tx, organization.id, member.id)
      if (before === role) return false
      if (before === 'admin') await assertOtherAdmin(tx, organization, member.id)
      if (role === null) {
        await tx.deleteFrom('membership').where('organization_id', '=', organization.id).where('account_id', '=', member.id).execute()
      } else {
        await tx
          .insertInto('membership')
          .values({ organization_id: organization.id, account_id: member.id, role })
          .onConflict((conflict) => conflict.columns(['organization_id', 'account_id']).doUpdateSet({ role }))
          .execute()
      }
      const action = role === null ? 'member.remove' : before === null ? 'member.add' : 'member.change'
      await auditMember(tx, actor, { organization, action, login: member.login, role, before })
      return true
    },
    { mayRetry: true },
  )
}

async function assertOtherAdmin(tx: Tx, organization: Account, accountId: AccountId): Promise<void> {
  const other = await tx
    .selectFrom('membership')
    .select('account_id')
    .where('organization_id', '=', organization.id)
    .where('role', '=', 'admin')
    .where('account_id', '!=', accountId)
    .executeTakeFirst()
  if (other === undefined)
    throw new InputError('last-member-admin', `Nobody else administers ${organization.login}; make someone its admin first`)
}

interface MemberChange {
  readonly organization: Account
  readonly action: 'member.add' | 'member.change' | 'member.remove'
  readonly login: string
  readonly role: Role | null
  readonly before: Role | null
}

async function auditMember(tx: Tx, actor: Actor, { organization, action, login, role, before }: MemberChange): Promise<void> {
  await audit(tx, actor, { action, ownerId: organization.id, target: organization.login, details: { member: login, role, before } })
  await tx
    .insertInto('outbox')
    .values({
      kind: action,
      payload: JSON.stringify({
        account: actor.accountId,
        organization: organization.login,
        organizationId: organization.id,
        login,
        role,
        before,
      }),
    })
    .execute()
}

async function loginOf(tx: Tx, id: AccountId): Promise<string> {
  return (await tx.selectFrom('account').select('login').where('id', '=', id).executeTakeFirstOrThrow()).login
}
