// A repository as it stands in its row, with its owner, its network, and the role that one caller has in it: found by name or id. Names are told
// apart without regard to case.
import { type Queries, sql } from '../db/index.ts'
import { type AccountId, anonymous, type Identity, type NetworkId, type RepositoryId, type Role } from './identity.ts'
import type { AccountKind, RepositoryResource, Visibility } from './may.ts'

export type RepositorySettings = Readonly<Record<string, readonly string[]>>

export interface Repository {
  readonly id: RepositoryId
  readonly networkId: NetworkId
  /** What it was forked from, while that exists. */
  readonly parentId: RepositoryId | null
  readonly ownerId: AccountId
  readonly ownerLogin: string
  readonly ownerKind: AccountKind
  readonly ownerIsAdmin: boolean
  readonly name: string
  readonly description: string | null
  readonly visibility: Visibility
  /** What HEAD points to: a full ref name. The ref may not exist. */
  readonly head: string
  readonly objectFormat: 'sha1' | 'sha256'
  /** Other repositories have objects in its network, or had. */
  readonly isShared: boolean
  /** Grows with every change of its refs, head or settings. */
  readonly refsVersion: number
  /** Of the network's packs, at the same moment: no ref of that version needs a later pack. */
  readonly packsVersion: number
  /** Some of its refs are protected, by rules that the git room has. */
  readonly hasRefRules: boolean
  /** Git's own settings of this repository: what the git room makes of them is its business. */
  readonly settings: RepositorySettings
  readonly createdAt: Date
  readonly updatedAt: Date
  readonly pushedAt: Date | null
  /** Of whoever it was asked for; null: he has none, or it was asked for nobody. Owners and administrators need none. */
  readonly callerRole: Role | null
}

/** What `may` is asked about. */
export function resourceOf({ id, ownerId, visibility, callerRole }: Repository): RepositoryResource {
  return { kind: 'repository', repositoryId: id, ownerId, visibility, role: callerRole }
}

/** The repository of that owner and name, in any case, as that caller stands to it; null when there is none. Permission is the caller's business. */
export async function findRepository(
  queries: Queries,
  owner: string,
  name: string,
  identity: Identity = anonymous,
): Promise<Repository | null> {
  if (`${owner}${name}`.includes('\0')) return null // PostgreSQL's text holds none
  const rows = repositoryRows(queries, identity)
  const row = await rows.where(sameOwner(owner.toLowerCase())).where(sameName(name.toLowerCase())).executeTakeFirst()
  return row ? repositoryOf(row) : null
}

/** The same by id. */
export async function findRepositoryById(queries: Queries, id: RepositoryId, identity: Identity = anonymous): Promise<Repository | null> {
  const row = await repositoryRows(queries, identity).where('repository.id', '=', id).executeTakeFirst()
  return row ? repositoryOf(row) : null
}

export const repositoryColumns = [
  ...(['repository.id', 'repository.network_id', 'repository.owner_id', 'account.login', 'account.kind', 'account.is_admin'] as const),
  ...([
    'repository.parent_id',
    'repository.name',
    'repository.description',
    'repository.visibility',
    'repository.head',
    'network.object_format',
    'network.is_shared',
    'network.packs_version',
    'repository.settings',
    'repository.has_ref_rules',
  ] as const),
  ...(['repository.refs_version', 'repository.created_at', 'repository.updated_at', 'repository.pushed_at'] as const),
] as const

/** Of the caller whose membership and collaborator's row stand in the query. */
export const callerRole = sql<Role | null>`greatest(membership.role, collaborator.role)`.as('caller_role')

/** @param owner in lower case */
export function sameOwner(owner: string) {
  return sql<boolean>`lower(account.login) = ${owner}`
}

/** @param name in lower case */
export function sameName(name: string) {
  return sql<boolean>`lower(repository.name) = ${name}`
}

/**
 * The repository of that name of the owner whose row stands in the query; where there is none, the stand-in's row is read instead, so that one that isn't
 * there takes as long as one that is. `isMeant` tells them apart.
 * @param name in lower case
 */
export function isMeantOr(standIn: number | null, name: string) {
  return sql<boolean>`repository.id = coalesce(
    (select meant.id from repository meant where meant.owner_id = account.id and lower(meant.name) = ${name}), ${standIn}::bigint)`
}

/** Every repository with its owner and network, as that caller stands to it: the base of lists. */
export function repositoryRows(queries: Queries, identity: Identity = anonymous) {
  const callerId = identity.kind === 'account' ? identity.accountId : null
  return queries
    .selectFrom('repository')
    .innerJoin('account', 'account.id', 'repository.owner_id')
    .innerJoin('network', 'network.id', 'repository.network_id')
    .leftJoin('membership', (join) =>
      join.onRef('membership.organization_id', '=', 'repository.owner_id').on('membership.account_id', '=', callerId),
    )
    .leftJoin('collaborator', (join) =>
      join.onRef('collaborator.repository_id', '=', 'repository.id').on('collaborator.account_id', '=', callerId),
    )
    .select([...repositoryColumns, callerRole])
}

export type RepositoryRow = Awaited<ReturnType<ReturnType<typeof repositoryRows>['executeTakeFirstOrThrow']>>

export function repositoryOf(row: RepositoryRow): Repository {
  return {
    id: row.id as RepositoryId,
    networkId: row.network_id as NetworkId,
    parentId: row.parent_id as RepositoryId | null,
    ownerId: row.owner_id as AccountId,
    ownerLogin: row.login,
    ownerKind: row.kind as AccountKind,
    ownerIsAdmin: row.is_admin,
    name: row.name,
    description: row.description,
    visibility: row.visibility as Visibility,
    head: row.head,
    objectFormat: row.object_format as 'sha1' | 'sha256',
    isShared: row.is_shared,
    refsVersion: row.refs_version,
    packsVersion: row.packs_version,
    hasRefRules: row.has_ref_rules,
    settings: row.settings as RepositorySettings,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    pushedAt: row.pushed_at,
    callerRole: row.caller_role,
  }
}
