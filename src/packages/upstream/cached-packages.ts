// Rows of packages that came from upstreams: an upstream's as long as they are here, made when the first of them comes.
import { type AccountId, findPackage, type Package, type UpstreamId } from '../../access/index.ts'
import { type Database, sql, sqlState } from '../../db/index.ts'
import type { UpstreamFormatName } from './upstream-format.ts'

/** A name below an upstream's place. */
export interface CachedName {
  readonly format: UpstreamFormatName
  readonly upstreamId: UpstreamId
  readonly ownerId: AccountId
  readonly owner: string
  /** Without the owner's. */
  readonly name: string
  /** Null: nothing of it is here yet. */
  readonly package: Package | null
}

/** The package of that name, made where nothing is here yet. Null: the upstream is gone, or isn't asked for this name any more, or somebody has a package of his own there. */
export async function cachedPackage(
  db: Database,
  { format, package: known, upstreamId, ownerId, owner, name }: CachedName,
): Promise<Package | null> {
  if (known !== null) return known
  try {
    await db.transaction(
      async (tx) => {
        // whoever declares an upstream for some of these names waits, or was first: then another is asked from now on
        await tx.selectFrom('account').select('id').where('id', '=', ownerId).forKeyShare().executeTakeFirst()
        await sql`
          insert into package (owner_id, format, name, visibility, upstream_id)
          select u.owner_id, u.format, ${name}, u.visibility, u.id from package_upstream u
          where u.id = ${upstreamId} and not exists (
            select from package_upstream longer where longer.owner_id = u.owner_id and longer.format = u.format
              and length(longer.path) > length(u.path)
              and (starts_with(lower(${name}), longer.path || '/') or (u.format = 'npm' and longer.path = lower(${name}))))
          for key share
          on conflict do nothing`.execute(tx)
      },
      { mayRetry: true },
    )
  } catch (error) {
    if (sqlState(error) === '23503') return null
    throw error
  }
  const found = await findPackage(db.queries, { format, owner, name })
  return found?.upstreamId === upstreamId ? found : null
}
