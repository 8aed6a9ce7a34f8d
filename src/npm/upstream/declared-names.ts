// Which upstream names come from, many at once: for questions about a whole tree. As package-call.ts decides it for one.
import { type AccountId, type Identity, may, type Role, type UpstreamId, type Visibility } from '../../access/index.ts'
import { type Database, sql } from '../../db/index.ts'
import { parseName } from '../format/names.ts'

interface Standing {
  readonly ownerId: AccountId
  readonly visibility: Visibility
  readonly role: Role | null
}

interface Found extends Standing {
  readonly name: string
  /** The owner has published it himself, or claimed it. */
  readonly isOwn: boolean
  readonly upstreamId: UpstreamId | null
}

/** A registry: an owner's, or the root, whose unscoped names are `root`'s. */
export interface NamesHome {
  readonly owner: string | null
  readonly root: string | null
}

/** Names by the upstream that they come from, where the caller may read what does. What is published here, claimed or unknown is in none: nobody else is told of it. */
export async function namesByUpstream(
  db: Database,
  identity: Identity,
  { owner, root }: NamesHome,
  names: readonly string[],
): Promise<ReadonlyMap<UpstreamId, readonly string[]>> {
  const good = names.filter((name) => parseName(name) !== null)
  const found = await declaredFor(
    db,
    identity,
    good.map((name) => ({ name, owner: owner ?? root ?? '' })),
  )
  if (owner === null) {
    const known = new Set(found.filter(({ isOwn, upstreamId }) => isOwn || upstreamId !== null).map(({ name }) => name))
    const scoped = good.flatMap((name) =>
      known.has(name)
        ? []
        : (/^@([^/]+)\//
            .exec(name)
            ?.slice(1)
            .map((scope) => ({ name, owner: scope })) ?? []),
    )
    found.push(...(await declaredFor(db, identity, scoped)))
  }
  const byUpstream = new Map<UpstreamId, string[]>()
  for (const { name, isOwn, upstreamId, ownerId, visibility, role } of found) {
    if (isOwn || upstreamId === null || !mayReadFrom(identity, { ownerId, visibility, role })) continue
    byUpstream.set(upstreamId, [...(byUpstream.get(upstreamId) ?? []), name])
  }
  return byUpstream
}

/** Those that are declared for an owner, and whose packages the caller may read. */
export async function upstreamsOf(
  db: Database,
  identity: Identity,
  owner: string,
): Promise<readonly { readonly id: UpstreamId; readonly path: string }[]> {
  const { rows } = await sql<Standing & { readonly id: UpstreamId; readonly path: string }>`
    select u.id, u.path, u.owner_id as "ownerId", u.visibility, membership.role
    from package_upstream u join account on account.id = u.owner_id
    left join membership on membership.organization_id = account.id and membership.account_id = ${callerOf(identity)}
    where lower(account.login) = ${owner.toLowerCase()} and u.format = 'npm' and u.url is not null order by u.id`.execute(db.queries)
  return rows.filter((row) => mayReadFrom(identity, row))
}

function mayReadFrom(identity: Identity, standing: Standing): boolean {
  return may(identity, 'package:read', { kind: 'package', packageId: null, repositoryId: null, isUpstreams: true, ...standing })
}

function callerOf(identity: Identity): AccountId | null {
  return identity.kind === 'account' ? identity.accountId : null
}

async function declaredFor(
  db: Database,
  identity: Identity,
  wanted: readonly { readonly name: string; readonly owner: string }[],
): Promise<Found[]> {
  const [names, owners] = [wanted.map(({ name }) => name), wanted.map(({ owner }) => owner.toLowerCase())]
  const { rows } = await sql<Found>`
    select n.name, place.owner_id as "ownerId", place.visibility, membership.role,
      case when place.url is null then null else place.id end as "upstreamId",
      exists (select from package k
        where k.owner_id = account.id and k.format = 'npm' and lower(k.name) = lower(n.name) and k.upstream_id is null) as "isOwn"
    from unnest(${names}::text[], ${owners}::text[]) as n (name, owner)
    join account on lower(account.login) = n.owner
    join lateral (
      select * from package_upstream p
      where p.owner_id = account.id and p.format = 'npm'
        and (p.path = '' or starts_with(lower(n.name), p.path || '/') or p.path = lower(n.name))
      order by length(p.path) desc limit 1) place on true
    left join membership on membership.organization_id = account.id and membership.account_id = ${callerOf(identity)}`.execute(db.queries)
  return [...rows]
}
