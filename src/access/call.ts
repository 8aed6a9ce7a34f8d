// What a request to a repository is about, by one statement: who calls, and the owner and repository that are meant. Each may be missing: a
// repository that isn't there takes as long as a hidden one.
import { fixedQuery, type Queries, type RawBuilder } from '../db/index.ts'
import type { AccountId, Role } from './identity.ts'
import type { AccountKind, AccountResource } from './may.ts'
import {
  callerRole,
  isMeantOr,
  type Repository,
  repositoryColumns,
  repositoryOf,
  type RepositoryRow,
  sameOwner,
} from './repository-rows.ts'
import { tokenColumns, type TokenRow } from './tokens.ts'

export interface Call {
  /** Null: no such token, or none was sent. */
  readonly token: TokenRow | null
  /** Null: no such owner. */
  readonly target: { readonly owner: AccountResource; readonly repository: Repository | null } | null
}

/** @param hash of a token (`hashToken`); null: an anonymous call */
export type FindCall = (queries: Queries, hash: Uint8Array | null, owner: string, name: string) => Promise<Call>

export function makeFindCall(): FindCall {
  const standIn = new StandIn()
  const find = fixedQuery((queries, hash: Uint8Array | null, owner: string, name: string, other: number | null) =>
    bearerAndOwner(queries, hash, sameOwner(owner))
      .leftJoin('repository', (join) => join.on(isMeantOr(other, name)))
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
  return async (queries, hash, owner, name) => {
    const [row] = await find(queries, hash, owner.toLowerCase(), name.toLowerCase(), standIn.id)
    if (row === undefined) throw new Error('a statement of one row had none')
    return { token: row.token_id === null ? null : (row as TokenRow), target: standIn.targetIn(row, name) }
  }
}

/**
 * One row: whose token that is (`caller`, or `home`: the repository that it is at home in), and the owner that is meant (`account`). Each may be missing.
 * @param isOwner over `account`: it is the one
 */
export function bearerAndOwner(queries: Queries, hash: Uint8Array | null, isOwner: RawBuilder<boolean>) {
  return queries
    .selectFrom(queries.selectNoFrom((eb) => eb.lit(1).as('one')).as('one'))
    .leftJoin('token', (join) => join.on('token.hash', '=', hash as Uint8Array))
    .leftJoin('account as caller', 'caller.id', 'token.account_id')
    .leftJoin('repository as home', 'home.id', 'token.repository_id')
    .leftJoin('account', (join) => join.on(isOwner))
}

interface TargetRow {
  readonly id: number | null
  readonly owner_id: number | null
  readonly name: string | null
  readonly account_id: number | null
  readonly account_kind: string | null
  readonly member_role: Role | null
}

/**
 * The repository whose row is read where the one that is meant isn't there: the last one that was found. A row takes time to be read, sent and understood, and
 * that time would tell a private repository from a missing one.
 */
export class StandIn {
  #id: number | null = null

  get id(): number | null {
    return this.#id
  }

  /** What a statement with `isMeantOr` found of the owner and repository that are meant. */
  targetIn(row: TargetRow, name: string): Call['target'] {
    const repository = row.id === null ? null : repositoryOf(row as TargetRow & RepositoryRow)
    const isMeant = repository !== null && row.owner_id === row.account_id && repository.name.toLowerCase() === name.toLowerCase()
    if (isMeant) this.#id = repository.id
    if (row.account_id === null) return null
    const owner: AccountResource = {
      kind: 'account',
      accountId: row.account_id as AccountId,
      accountKind: row.account_kind as AccountKind,
      role: row.member_role,
    }
    return { owner, repository: isMeant ? repository : null }
  }
}
