// A package as it stands in its row: what is published under an owner's name, with the role that one caller has in it. Names are told apart without
// regard to case. docs/design/packages.md.
import { type Queries, sql } from '../db/index.ts'
import { holds, isBound } from './grant.ts'
import { type AccountId, anonymous, type Identity, type PackageId, type RepositoryId, type Role, type UpstreamId } from './identity.ts'
import type { AccountKind, PackageResource, Visibility } from './may.ts'

export type PackageFormat = 'oci' | 'npm' | 'generic'

export interface Package {
  readonly id: PackageId
  readonly ownerId: AccountId
  readonly ownerLogin: string
  readonly ownerKind: AccountKind
  readonly format: PackageFormat
  /** Without the owner's. */
  readonly name: string
  readonly visibility: Visibility
  /** Whoever has a role there has it here; null: linked to none. */
  readonly repositoryId: RepositoryId | null
  /** Somebody linked it, or unlinked it: nothing that is published changes that. */
  readonly isLinkSet: boolean
  /** Where it comes from; null: it is the owner's own. */
  readonly upstreamId: UpstreamId | null
  readonly createdAt: Date
  readonly updatedAt: Date
  /** Of whoever it was asked for; null: he has none, or it was asked for nobody. Owners and administrators need none. */
  readonly callerRole: Role | null
}

/** What `may` is asked about. */
export function packageResourceOf({ id, ownerId, repositoryId, visibility, callerRole, upstreamId }: Package): PackageResource {
  return { kind: 'package', packageId: id, ownerId, repositoryId, visibility, role: callerRole, isUpstreams: upstreamId !== null }
}

/** `owner/name`. */
export function packageFullName({ ownerLogin, name }: Pick<Package, 'ownerLogin' | 'name'>): string {
  return `${ownerLogin}/${name}`
}

/** As that caller stands to it; null when there is none. Permission is the caller's business. */
export async function findPackage(
  queries: Queries,
  { format, owner, name }: { readonly format: PackageFormat; readonly owner: string; readonly name: string },
  identity: Identity = anonymous,
): Promise<Package | null> {
  if (`${owner}${name}`.includes('\0')) return null // PostgreSQL's text holds none
  const row = await packageRows(queries, identity)
    .where(sql<boolean>`lower(account.login) = ${owner.toLowerCase()}`)
    .where('package.format', '=', format)
    .where(sql<boolean>`lower(package.name) = ${name.toLowerCase()}`)
    .executeTakeFirst()
  return row ? packageOf(row) : null
}

/** The same by id. */
export async function findPackageById(queries: Queries, id: PackageId, identity: Identity = anonymous): Promise<Package | null> {
  const row = await packageRows(queries, identity).where('package.id', '=', id).executeTakeFirst()
  return row ? packageOf(row) : null
}

export const packageColumns = [
  ...(['package.id as package_id', 'package.owner_id', 'package.format', 'package.name', 'package.visibility'] as const),
  ...(['package.repository_id', 'package.is_link_set', 'package.upstream_id', 'package.created_at', 'package.updated_at'] as const),
  ...(['account.login', 'account.kind'] as const),
] as const

/** Of the caller whose membership of the owner and place in the linked repository stand in the query. */
export const packageRole = sql<Role | null>`greatest(membership.role, collaborator.role)`.as('caller_role')

/** Every package with its owner, as that caller stands to it: the base of lists. */
export function packageRows(queries: Queries, identity: Identity = anonymous) {
  const callerId = identity.kind === 'account' ? identity.accountId : null
  return queries
    .selectFrom('package')
    .innerJoin('account', 'account.id', 'package.owner_id')
    .leftJoin('membership', (join) =>
      join.onRef('membership.organization_id', '=', 'package.owner_id').on('membership.account_id', '=', callerId),
    )
    .leftJoin('collaborator', (join) =>
      join.onRef('collaborator.repository_id', '=', 'package.repository_id').on('collaborator.account_id', '=', callerId),
    )
    .select([...packageColumns, packageRole])
}

/** Which packages a caller may read, as a condition of queries over `packageRows`: it narrows what is loaded and counted. `may` decides about each that is shown. */
export function packagesReadableBy(identity: Identity) {
  const open = sql<boolean>`package.visibility = 'public'`
  if (identity.kind === 'anonymous') return open
  if (identity.grant !== null && !holds(identity.grant.scopes, 'package:read')) return open
  if (identity.kind === 'repository') {
    const fetched = sql<boolean>`package.upstream_id is not null and package.owner_id = ${identity.ownerId}`
    return sql<boolean>`(${open} or package.repository_id = ${identity.repositoryId} or (${fetched}))`
  }
  const standing = identity.isAdmin
    ? sql<boolean>`true`
    : sql<boolean>`(package.visibility in ('public', 'internal') or package.owner_id = ${identity.accountId}
        or membership.role is not null or collaborator.role is not null)`
  const { grant } = identity
  if (grant === null || !isBound(grant)) return standing
  const bound = sql<boolean>`(package.owner_id = any(${grant.ownerIds ?? []}) or package.repository_id = any(${grant.repositoryIds ?? []})
    or package.id = any(${grant.packageIds ?? []}))`
  return sql<boolean>`(${open} or (${standing} and ${bound}))`
}

export type PackageRow = Awaited<ReturnType<ReturnType<typeof packageRows>['executeTakeFirstOrThrow']>>

export function packageOf(row: PackageRow): Package {
  return {
    id: row.package_id as PackageId,
    ownerId: row.owner_id as AccountId,
    ownerLogin: row.login,
    ownerKind: row.kind as AccountKind,
    format: row.format as PackageFormat,
    name: row.name,
    visibility: row.visibility as Visibility,
    repositoryId: row.repository_id as RepositoryId | null,
    isLinkSet: row.is_link_set,
    upstreamId: row.upstream_id as UpstreamId | null,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    callerRole: row.caller_role,
  }
}
