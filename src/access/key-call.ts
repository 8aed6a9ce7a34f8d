// Who calls by an SSH key, and what is meant, by one statement, as call.ts does it for tokens. A key's row is asked for with every command: a key that
// was deleted opens nothing more, nor does one whose account is suspended.
import { fixedQuery, type Queries } from '../db/index.ts'
import { type Call, StandIn } from './call.ts'
import type { AccountId, Identity, RepositoryId } from './identity.ts'
import { callerRole, isMeantOr, repositoryColumns, sameOwner } from './repository-rows.ts'

/** Whoever holds the key, and what is to be written down of its use. */
export interface KeyBearer {
  readonly identity: Identity
  readonly keyId: number
  readonly lastUsedAt: Date | null
}

export interface KeyCall {
  /** Null: nobody's key. */
  readonly bearer: KeyBearer | 'suspended' | null
  /** Null: no such owner. */
  readonly target: Call['target']
}

export type FindKeyCall = (queries: Queries, fingerprint: Uint8Array, owner: string, name: string) => Promise<KeyCall>

const keyColumns = [
  ...(['ssh_key.id as key_id', 'ssh_key.title as key_title', 'ssh_key.is_read_only', 'ssh_key.last_used_at'] as const),
  ...(['caller.id as caller_id', 'caller.login as caller_login', 'caller.is_admin as caller_is_admin', 'caller.suspended_at'] as const),
  ...(['home.id as home_id', 'home.owner_id as home_owner_id', 'home.name as home_name', 'host.login as host_login'] as const),
] as const

interface KeyRow {
  readonly key_id: number
  readonly key_title: string
  readonly is_read_only: boolean
  readonly last_used_at: Date | null
  readonly caller_id: number | null
  readonly caller_login: string | null
  readonly caller_is_admin: boolean | null
  readonly suspended_at: Date | null
  readonly home_id: number | null
  readonly home_owner_id: number | null
  readonly home_name: string | null
  readonly host_login: string | null
}

/** Whose key that is; null: nobody's. */
export function makeFindKeyBearer(): (queries: Queries, fingerprint: Uint8Array) => Promise<KeyBearer | 'suspended' | null> {
  const find = fixedQuery((queries, fingerprint: Uint8Array) =>
    queries
      .selectFrom('ssh_key')
      .leftJoin('account as caller', 'caller.id', 'ssh_key.account_id')
      .leftJoin('repository as home', 'home.id', 'ssh_key.repository_id')
      .leftJoin('account as host', 'host.id', 'home.owner_id')
      .select(keyColumns)
      .where('ssh_key.fingerprint', '=', fingerprint as Buffer),
  )
  return async (queries, fingerprint) => {
    const [row] = await find(queries, Buffer.from(fingerprint))
    return row ? bearerOf(row) : null
  }
}

export function makeFindKeyCall(): FindKeyCall {
  const standIn = new StandIn()
  const find = fixedQuery((queries, fingerprint: Uint8Array, owner: string, name: string, other: number | null) =>
    queries
      .selectFrom(queries.selectNoFrom((eb) => eb.lit(1).as('one')).as('one'))
      .leftJoin('ssh_key', (join) => join.on('ssh_key.fingerprint', '=', fingerprint as Buffer))
      .leftJoin('account as caller', 'caller.id', 'ssh_key.account_id')
      .leftJoin('repository as home', 'home.id', 'ssh_key.repository_id')
      .leftJoin('account as host', 'host.id', 'home.owner_id')
      .leftJoin('account', (join) => join.on(sameOwner(owner)))
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
        ...keyColumns,
        callerRole,
        ...(['account.id as account_id', 'account.kind as account_kind', 'membership.role as member_role'] as const),
      ]),
  )
  return async (queries, fingerprint, owner, name) => {
    const [row] = await find(queries, Buffer.from(fingerprint), owner.toLowerCase(), name.toLowerCase(), standIn.id)
    if (row === undefined) throw new Error('a statement of one row had none')
    return { bearer: row.key_id === null ? null : bearerOf(row as KeyRow), target: standIn.targetIn(row, name) }
  }
}

function bearerOf(row: KeyRow): KeyBearer | 'suspended' {
  if (row.suspended_at !== null) return 'suspended'
  return { identity: identityOf(row), keyId: row.key_id, lastUsedAt: row.last_used_at }
}

function identityOf(row: KeyRow): Identity {
  const { caller_id, caller_is_admin, caller_login, home_id, home_name, home_owner_id, host_login } = row
  if (caller_id !== null) {
    const accountId = caller_id as AccountId
    return { kind: 'account', accountId, login: caller_login as string, isAdmin: caller_is_admin === true, grant: null, tokenId: null }
  }
  const repositoryId = home_id as RepositoryId
  return {
    kind: 'repository',
    repositoryId,
    ownerId: home_owner_id as AccountId,
    name: `deploy key '${row.key_title}' of ${host_login}/${home_name}`,
    grant: { scopes: [row.is_read_only ? 'repository:read' : 'repository:write'], ownerIds: null, repositoryIds: [repositoryId] },
    tokenId: null,
  }
}
