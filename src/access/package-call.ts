// What a request to a package is about, by one statement: who calls, and the owner and package that are meant. As call.ts does for repositories, down to
// the stand-in's row, so that a missing package takes as long as a hidden one. What an upstream is declared for comes from there: it is nobody's to publish.
import { type Database, type Moment, type Queries, type RawBuilder, rememberedQuery, sql } from '../db/index.ts'
import { bearerAndOwner } from './call.ts'
import type { AccountId, Identity, RepositoryId, Role, UpstreamId } from './identity.ts'
import { type AccountKind, type AccountResource, type Action, may, type Visibility } from './may.ts'
import {
  type Package,
  packageColumns,
  type PackageFormat,
  packageOf,
  packageResourceOf,
  packageRole,
  type PackageRow,
} from './package-rows.ts'
import { tokenColumns, type TokenRow } from './tokens.ts'

export interface PackageName {
  readonly format: PackageFormat
  readonly owner: string
  /** Of a registry that joins several owners': whose the name is where `owner` isn't one, or where an upstream of this one has the name. Null: nobody's. */
  readonly otherOwner?: string | null
  readonly name: string
}

/** A package that the first that is published of it makes. */
export interface PackageToCreate {
  readonly ownerId: AccountId
  readonly ownerLogin: string
  readonly format: PackageFormat
  readonly name: string
  /** What it is linked to from the start: the home of the token that publishes it. */
  readonly repositoryId: RepositoryId | null
  readonly visibility: Visibility
}

/** A package that isn't here yet, and comes from its upstream when it is asked for. */
export interface PackageToFetch extends Omit<PackageToCreate, 'repositoryId'> {
  readonly upstreamId: UpstreamId
}

export interface PackageCall {
  /** Null: no such token, or none was sent. */
  readonly token: TokenRow | null
  /** Null: no such owner. */
  readonly target: PackageTarget | null
}

export interface PackageTarget {
  readonly owner: AccountResource
  readonly ownerLogin: string
  readonly package: Package | null
  /** What is declared for the name, and how visible its packages are; null: nothing is. */
  readonly upstream: { readonly id: UpstreamId; readonly visibility: Visibility } | null
  /** Of the repository that the token is at home in. */
  readonly homeVisibility: Visibility | null
}

/** @param hash of a token; null: an anonymous call */
export type FindPackageCall = (at: Database | Moment, hash: Uint8Array | null, name: PackageName) => Promise<PackageCall>

export function makeFindPackageCall(): FindPackageCall {
  let standIn: number | null = null
  const query = (queries: Queries, ...[hash, owner, format, name, other, standIn]: CallParameters) =>
    bearerAndOwner(queries, hash, isOwnerOf({ owner, other, format, name }))
      .leftJoin('package', (join) =>
        join.on(
          sql<boolean>`package.id = coalesce((select meant.id from package meant
            where meant.owner_id = account.id and meant.format = ${format} and lower(meant.name) = ${name}), ${standIn}::bigint)`,
        ),
      )
      .leftJoin('package_upstream', (join) =>
        join.on(sql<boolean>`package_upstream.id = (${longestPlace(sql`place.id`, sql`place.owner_id = account.id`, format, name)})`),
      )
      .leftJoin('membership', (join) =>
        join.onRef('membership.organization_id', '=', 'account.id').onRef('membership.account_id', '=', 'caller.id'),
      )
      .leftJoin('collaborator', (join) =>
        join.onRef('collaborator.repository_id', '=', 'package.repository_id').onRef('collaborator.account_id', '=', 'caller.id'),
      )
      .select([
        ...packageColumns,
        ...tokenColumns,
        packageRole,
        ...([
          'home.visibility as home_visibility',
          'package_upstream.id as place_id',
          'package_upstream.visibility as place_visibility',
          'package_upstream.url as place_url',
        ] as const),
        ...(['account.id as account_id', 'account.kind as account_kind', 'membership.role as member_role'] as const),
      ])
  // the stand-in's row is read and thrown away: an answer depends on the others alone
  const find = rememberedQuery(query, { types: ['bytea', 'text', 'text', 'text', 'text', 'bigint'], most: 5000, keyed: 5 })
  return async (at, hash, { format, owner, otherOwner, name }) => {
    const [row] = await find(at, hash, owner.toLowerCase(), format, name.toLowerCase(), otherOwner?.toLowerCase() ?? null, standIn)
    if (row === undefined) throw new Error('a statement of one row had none')
    const found = row.package_id === null ? null : packageOf(row as PackageRow)
    const isMeant =
      found !== null && found.ownerId === row.account_id && found.format === format && found.name.toLowerCase() === name.toLowerCase()
    if (isMeant) standIn = found.id
    const token = row.token_id === null ? null : (row as TokenRow)
    if (row.account_id === null) return { token, target: null }
    return {
      token,
      target: {
        owner: {
          kind: 'account',
          accountId: row.account_id as AccountId,
          accountKind: row.account_kind as AccountKind,
          role: row.member_role as Role | null,
        },
        ownerLogin: row.login ?? '',
        package: isMeant ? found : null,
        upstream:
          row.place_id === null || row.place_url === null
            ? null
            : { id: row.place_id as UpstreamId, visibility: row.place_visibility as Visibility },
        homeVisibility: row.home_visibility as Visibility | null,
      },
    }
  }
}

type CallParameters = readonly [
  hash: Uint8Array | null,
  owner: string,
  format: string,
  name: string,
  other: string | null,
  standIn: number | null,
]

/** Over `account`: it is the owner that is meant; where there is another, that one has no upstream for the name (a claim says that it hasn't). */
function isOwnerOf({
  owner,
  other,
  format,
  name,
}: Readonly<Record<'owner' | 'format' | 'name', string>> & { readonly other: string | null }) {
  const declared = longestPlace(sql`place.url is null`, sql`lower(joined.login) = ${other}`, format, name)
  return sql<boolean>`account.id = coalesce(
    (select named.id from account named where lower(named.login) = ${owner} and (${other}::text is null or coalesce((${declared}), true))),
    (select joined.id from account joined where lower(joined.login) = ${other}))`
}

/** What is declared for the longest place that a name lies below; a name of npm's is a place, too. */
function longestPlace(what: RawBuilder<unknown>, whose: RawBuilder<unknown>, format: string, name: string) {
  return sql`select ${what} from package_upstream place join account joined on joined.id = place.owner_id
    where ${whose} and place.format = ${format}
      and (place.path = '' or starts_with(${name}, place.path || '/') or (place.format = 'npm' and place.path = ${name}))
    order by length(place.path) desc limit 1`
}

/** `hidden`: there is no such thing, or the caller may not know of it; `forbidden`: he may see it, but not do this, for that reason where it isn't his role. */
export type PackageAdmission =
  | { readonly verdict: 'hidden' }
  | { readonly verdict: 'forbidden'; readonly reason: string | null }
  | { readonly verdict: 'allowed'; readonly package: Package; readonly toCreate: null; readonly toFetch: null }
  | { readonly verdict: 'allowed'; readonly package: null; readonly toCreate: PackageToCreate; readonly toFetch: null }
  | { readonly verdict: 'allowed'; readonly package: null; readonly toCreate: null; readonly toFetch: PackageToFetch }

/** Nobody does them to what comes from an upstream. */
const ofOwners: readonly Action[] = ['package:stage', 'package:write', 'package:administer']
const ofUpstream = 'What has this name comes from an upstream: nothing is published here, and its visibility is the upstream’s'

/** What a call to a package comes to. Publishing what isn't there makes it, where the caller may; asking for what an upstream has gets it. */
export function admitToPackage(
  identity: Identity,
  action: Action,
  { target, name }: { readonly target: PackageTarget | null; readonly name: PackageName },
): PackageAdmission {
  if (target === null) return { verdict: 'hidden' }
  if (target.package !== null) {
    const resource = packageResourceOf(target.package)
    const isUpstreams = target.package.upstreamId !== null && ofOwners.includes(action)
    const isAllowed = may(identity, action, resource)
    if (isAllowed && !isUpstreams) return { verdict: 'allowed', package: target.package, toCreate: null, toFetch: null }
    return may(identity, 'package:read', resource) ? { verdict: 'forbidden', reason: isAllowed ? ofUpstream : null } : { verdict: 'hidden' }
  }
  const { upstream } = target
  if (upstream !== null) return admitToUpstream(identity, action, { ...target, upstream }, name)
  if (action !== 'package:write' || !may(identity, 'package:create', target.owner)) return { verdict: 'hidden' }
  const home = identity.kind === 'repository' ? identity.repositoryId : null
  const visibility = home === null ? 'private' : (target.homeVisibility ?? 'private')
  const { format, name: packageName } = name
  const { accountId: ownerId } = target.owner
  const toCreate = { ownerId, ownerLogin: target.ownerLogin, format, name: packageName, repositoryId: home, visibility }
  return { verdict: 'allowed', package: null, toCreate, toFetch: null }
}

/** Of a name that an upstream is declared for, when no package has it: whoever may read what comes from there may ask for it. */
function admitToUpstream(
  identity: Identity,
  action: Action,
  { owner, ownerLogin, upstream }: PackageTarget & { readonly upstream: NonNullable<PackageTarget['upstream']> },
  { format, name }: PackageName,
): PackageAdmission {
  const { accountId: ownerId, role } = owner
  const { id: upstreamId, visibility } = upstream
  const resource = { kind: 'package', packageId: null, ownerId, repositoryId: null, visibility, role, isUpstreams: true } as const
  if (!may(identity, 'package:read', resource)) return { verdict: 'hidden' }
  if (action !== 'package:read') return { verdict: 'forbidden', reason: ofUpstream }
  return { verdict: 'allowed', package: null, toCreate: null, toFetch: { ownerId, ownerLogin, format, name, visibility, upstreamId } }
}
