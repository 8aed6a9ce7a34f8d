// What a request to a repository is about, by one statement: who calls, and the owner and repository that are meant. Each may be missing: a
// repository that isn't there takes as long as a hidden one.
import { fixedQuery, type Queries } from '../db/index.ts'
import type { AccountId } from './identity.ts'
import { type Repository, repositoryColumns, repositoryOf, type RepositoryRow, sameName, sameOwner } from './repositories.ts'
import { hashToken } from './token-issue.ts'
import { tokenColumns, type TokenRow } from './tokens.ts'

export interface Call {
  /** Null: no such token, or none was sent. */
  readonly token: TokenRow | null
  /** Null: no such owner. */
  readonly target: { readonly ownerId: AccountId; readonly repository: Repository | null } | null
}

/** @param secret null: an anonymous call */
export type FindCall = (queries: Queries, secret: string | null, owner: string, name: string) => Promise<Call>

export function makeFindCall(): FindCall {
  const find = fixedQuery((queries, hash: Uint8Array | null, owner: string, name: string) =>
    queries
      .selectFrom(queries.selectNoFrom((eb) => eb.lit(1).as('one')).as('one'))
      .leftJoin('token', (join) => join.on('token.hash', '=', hash as Uint8Array))
      .leftJoin('account as caller', 'caller.id', 'token.account_id')
      .leftJoin('account', (join) => join.on(sameOwner(owner)))
      .leftJoin('repository', (join) => join.onRef('repository.owner_id', '=', 'account.id').on(sameName(name)))
      .leftJoin('network', 'network.id', 'repository.network_id')
      .select([...repositoryColumns, ...tokenColumns, 'account.id as account_id']),
  )
  return async (queries, secret, owner, name) => {
    const [row] = await find(queries, secret === null ? null : hashToken(secret), owner.toLowerCase(), name.toLowerCase())
    if (row === undefined) throw new Error('a statement of one row had none')
    const target = row.account_id === null ? null : { ownerId: row.account_id as AccountId, repository: repositoryIn(row) }
    return { token: row.token_id === null ? null : (row as TokenRow), target }
  }
}

function repositoryIn(row: { readonly id: number | null }): Repository | null {
  return row.id === null ? null : repositoryOf(row as RepositoryRow)
}
