// Collaborators of repositories, and what everyone's standing in one is. Each change stands in the audit and the outbox.
import { InputError } from '../base/index.ts'
import { type Database, type PageRequest, type Queries, readPage, sql } from '../db/index.ts'
import { type Account, accountIn, accountRows } from './accounts.ts'
import { type Actor, audit } from './audit.ts'
import type { AccountId, RepositoryId, Role } from './identity.ts'
import { may } from './may.ts'
import type { Member } from './members.ts'
import { fullName, tell } from './repositories.ts'
import { findRepositoryById, type Repository, resourceOf } from './repository-rows.ts'

/** `outside`: collaborators; `direct`: with the user who owns it; `all`: with the members of the organisation that owns it. */
export type Circle = 'outside' | 'direct' | 'all'

/** One page of those who have a role in the repository by login, each with the highest that he has; and how many there are in all. */
export async function listCollaborators(
  queries: Queries,
  repository: Pick<Repository, 'id' | 'ownerId'>,
  { circle, role, ...wanted }: PageRequest & { readonly circle: Circle; readonly role?: Role },
): Promise<{ members: Member[]; total: number }> {
  const owns = sql<boolean>`(account.id = ${repository.ownerId} and account.kind = 'user')`
  const standing = sql<Role | null>`case when ${owns} then 'admin'::role else greatest(collaborator.role, membership.role) end`
  const rows = accountRows(queries)
    .leftJoin('collaborator', (join) =>
      join.onRef('collaborator.account_id', '=', 'account.id').on('collaborator.repository_id', '=', repository.id),
    )
    .leftJoin('membership', (join) =>
      join.onRef('membership.account_id', '=', 'account.id').on('membership.organization_id', '=', repository.ownerId),
    )
    .select(standing.as('standing'))
    .where(
      sql<boolean>`(collaborator.role is not null
        or (${circle !== 'outside'} and ${owns}) or (${circle === 'all'} and membership.role is not null))`,
    )
    .$if(role !== undefined, (query) => query.where(sql<boolean>`${standing} = ${role}::role`))
  const { found, total } = await readPage(rows, (all) => all.orderBy(sql`lower(account.login)`), wanted)
  return { members: found.map((row) => ({ account: accountIn(row), role: row.standing as Role })), total }
}

/** The role that the account has as a collaborator; null: it is none. */
export async function collaboratorRole(queries: Queries, repositoryId: number, accountId: AccountId): Promise<Role | null> {
  const row = await queries
    .selectFrom('collaborator')
    .select('role')
    .where('repository_id', '=', repositoryId)
    .where('account_id', '=', accountId)
    .executeTakeFirst()
  return row?.role ?? null
}

export interface Standing {
  /** What he may do by whatever way; null: nothing. */
  readonly role: Role | null
  /** He owns it, is a member of its owner, or a collaborator: not because it is open to all, or he administers the server. */
  readonly isOwn: boolean
}

/** What that account may do in the repository, by the rules of every request. */
export async function standingIn(queries: Queries, repositoryId: RepositoryId, account: Account): Promise<Standing> {
  const { id: accountId, login, isAdmin } = account
  const identity = { kind: 'account', accountId, login, isAdmin, grant: null, tokenId: null } as const
  const repository = await findRepositoryById(queries, repositoryId, identity)
  if (repository === null || account.kind !== 'user') return { role: null, isOwn: false }
  const isOwn = repository.ownerId === accountId || repository.callerRole !== null
  if (account.suspendedAt !== null) return { role: null, isOwn }
  const resource = resourceOf(repository)
  if (may(identity, 'repository:administer', resource)) return { role: 'admin', isOwn }
  if (may(identity, 'repository:push', resource)) return { role: 'write', isOwn }
  return { role: may(identity, 'repository:read', resource) ? 'read' : null, isOwn }
}

/** Makes the user a collaborator with that role, changes it, or (null) ends it. False when nothing changed. InputError `no-member`, `owns-it`. */
export async function setCollaborator(
  db: Database,
  repository: Repository,
  account: Account,
  role: Role | null,
  actor: Actor,
): Promise<boolean> {
  if (account.kind !== 'user') throw new InputError('no-member', `${account.login} is an organisation; collaborators are users`)
  if (account.id === repository.ownerId) throw new InputError('owns-it', `${account.login} owns the repository`)
  return db.transaction(
    async (tx) => {
      const isThere = await tx.selectFrom('repository').select('id').where('id', '=', repository.id).forUpdate().executeTakeFirst()
      if (isThere === undefined) return false
      const before = await collaboratorRole(tx, repository.id, account.id)
      if (before === role) return false
      if (role === null) {
        await tx.deleteFrom('collaborator').where('repository_id', '=', repository.id).where('account_id', '=', account.id).execute()
      } else {
        await tx
          .insertInto('collaborator')
          .values({ repository_id: repository.id, account_id: account.id, role })
          .onConflict((conflict) => conflict.columns(['repository_id', 'account_id']).doUpdateSet({ role }))
          .execute()
      }
      const action = role === null ? 'collaborator.remove' : before === null ? 'collaborator.add' : 'collaborator.change'
      const details = { login: account.login, role, before }
      await audit(tx, actor, { action, ownerId: repository.ownerId, repositoryId: repository.id, target: fullName(repository), details })
      await tell(tx, action, repository.id, { account: actor.accountId, memberId: account.id, ...details })
      return true
    },
    { mayRetry: true },
  )
}
