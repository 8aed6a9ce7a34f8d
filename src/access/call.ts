// What a request to a repository is about, by one statement: who calls, and the owner and repository that are meant. Each may be missing: a
// repository that isn't there takes as long as a hidden one.
import { fixedQuery, type Queries } from '../db/index.ts'
import type { AccountId, Role } from './identity.ts'
import type { AccountKind, AccountResource } from './may.ts'
import { callerRole, type Repository, repositoryColumns, repositoryOf, type RepositoryRow, sameName, sameOwner } from './repository-rows.ts'
import { hashToken } from './token-issue.ts'
import { tokenColumns, type TokenRow } from './tokens.ts'

export interface Call {
  /** Null: no such token, or none was sent. */
  readonly token: TokenRow | null
  /** Null: no such owner. */
  readonly target: { readonly owner: AccountResource; readonly repository: Repository | null } | null
}

/** @param secret null: an anonymous call */
export type FindCall = (queries: Queries, secret: string | null, owner: string, name: string) => Promise<Call>

export function makeFindCall(): FindCall {
  const find = fixedQuery((queries, hash: Uint8Array | null, owner: string, name: string) =>
    queries
      .selectFrom(queries.selectNoFrom((eb) => eb.lit(1).as('one')).as('one'))
      .leftJoin('token', (join) => join.on('token.hash', '=', hash as Uint8Array))
      .leftJoin('account as caller', 'caller.id', 'token.account_id')
      .leftJoin('repository as home', 'home.id', 'token.repository_id')
      .leftJoin('account', (join) => join.on(sameOwner(owner)))
      .leftJoin('repository', (join) => join.onRef('repository.owner_id', '=', 'account.id').on(sameName(name)))
      .leftJoin('network', 'network.id', 'repository.network_id')
      .leftJoin('membership', (join) =>
        join.onRef('membership.organization_id', '=', 'account.id').onRef('membership.account_id', '=', 'caller.id'),
      )
      .leftJoin('collaborator', (join) =>
        join.onRef('collaborator.repository_id', '=', 'repository.id').onRef('collaborator.account_id', '=', 'caller.id'),
      )
      .select([
        ...repositoryColumns,
        ...tokenColumns,
        callerRole,
        ...(['account.id as account_id', 'account.kind as account_kind', 'membership.role as member_role'] as const),
      ]),
  )
  return async (queries, secret, owner, name) => {
    const [row] = await find(queries, secret === null ? null : hashToken(secret), owner.toLowerCase(), name.toLowerCase())
    if (row === undefined) throw new Error('a statement of one row had none')
    return { token: row.token_id === null ? null : (row as TokenRow), target: row.account_id === null ? null : targetIn(row) }
  }
}

interface TargetRow {
  readonly id: number | null
  readonly account_id: number | null
  readonly account_kind: string | null
  readonly member_role: Role | null
}

/** What a statement found of the owner and repository that are meant. */
export function targetIn(row: TargetRow): NonNullable<Call['target']> {
  const owner: AccountResource = {
    kind: 'account',
    accountId: row.account_id as AccountId,
    accountKind: row.account_kind as AccountKind,
    role: row.member_role,
  }
  return { owner, repository: row.id === null ? null : repositoryOf(row as TargetRow & RepositoryRow) }
}
