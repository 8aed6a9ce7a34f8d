// Pages of repositories: an account's, or the caller's.
import { type PageRequest, type Queries, readPage, sql } from '../db/index.ts'
import type { AccountId, Identity, NetworkId, RepositoryId } from './identity.ts'
import type { Visibility } from './may.ts'
import { mayRead, readableBy } from './readable.ts'
import { type Repository, repositoryOf, repositoryRows } from './repository-rows.ts'

export interface ListOptions extends PageRequest {
  /** Which of those that the caller may read: an account's own; what the caller owns, or stands to by his membership or as a collaborator. */
  readonly of: { readonly ownerId: AccountId } | { readonly affiliations: readonly Affiliation[] }
  /** All without it. */
  readonly visibility?: Visibility
  readonly sort: 'created' | 'updated' | 'pushed' | 'full_name'
  readonly direction: 'asc' | 'desc'
}

export type Affiliation = 'owner' | 'collaborator' | 'organization_member'

const sortColumns = {
  created: sql`repository.created_at`,
  updated: sql`repository.updated_at`,
  pushed: sql`repository.pushed_at`,
  full_name: sql`lower(repository.name)`,
} as const

/** One page of what the caller may read, and how many there are in all. */
export async function listRepositories(
  queries: Queries,
  identity: Identity,
  { of, visibility, direction, sort, ...wanted }: ListOptions,
): Promise<{ repositories: Repository[]; total: number }> {
  const rows = repositoryRows(queries, identity)
    .where(readableBy(identity))
    .where('ownerId' in of ? sql<boolean>`repository.owner_id = ${of.ownerId}` : affiliatedWith(identity, of.affiliations))
    .$if(visibility !== undefined, (query) => query.where('repository.visibility', '=', visibility as Visibility))
  const order = (all: typeof rows) =>
    all
      .orderBy(sortColumns[sort], (by) => (direction === 'asc' ? by.asc().nullsFirst() : by.desc().nullsLast()))
      .orderBy('repository.id', direction)
  const { found, total } = await readPage(rows, order, wanted)
  return { repositories: found.map(repositoryOf).filter((repository) => mayRead(identity, repository)), total }
}

function affiliatedWith(identity: Identity, affiliations: readonly Affiliation[]) {
  if (identity.kind !== 'account') return sql<boolean>`false`
  const ways = {
    owner: sql<boolean>`repository.owner_id = ${identity.accountId}`,
    collaborator: sql<boolean>`collaborator.role is not null`,
    organization_member: sql<boolean>`membership.role is not null`,
  }
  return sql<boolean>`(false ${sql.join(
    affiliations.map((way) => sql`or ${ways[way]}`),
    sql` `,
  )})`
}

/** Every repository, by owner and name. For the operator's commands. */
export async function allRepositories(queries: Queries): Promise<Repository[]> {
  const rows = await repositoryRows(queries).orderBy(sql`lower(account.login)`).orderBy(sql`lower(repository.name)`).execute()
  return rows.map(repositoryOf)
}

/**
 * Bytes of each, as whoever may read it may know them: of its packs, where they are its own alone. Forks share theirs, and how those grow tells what others do in private: of
 * such a repository it is what was brought through itself.
 */
export async function repositorySizes(
  queries: Queries,
  repositories: readonly Pick<Repository, 'id' | 'networkId' | 'isShared'>[],
): Promise<Map<RepositoryId, number>> {
  const alone = await networkSizes(
    queries,
    repositories.filter(({ isShared }) => !isShared).map(({ networkId }) => networkId),
  )
  const shared = repositories.filter(({ isShared }) => isShared).map(({ id }) => id)
  const rows =
    shared.length === 0 ? [] : await queries.selectFrom('repository').select(['id', 'pushed_bytes']).where('id', 'in', shared).execute()
  const pushed = new Map(rows.map((row) => [row.id, row.pushed_bytes]))
  return new Map(repositories.map(({ id, isShared, networkId }) => [id, (isShared ? pushed.get(id) : alone.get(networkId)) ?? 0]))
}

/** Bytes of the stored packs of each network. Networks without packs are missing. */
export async function networkSizes(queries: Queries, networkIds: readonly NetworkId[]): Promise<Map<NetworkId, number>> {
  if (networkIds.length === 0) return new Map()
  const rows = await queries
    .selectFrom('pack')
    .select(['network_id', sql<number>`sum(pack_bytes)::int8`.as('size_bytes')])
    .where('network_id', '=', (where) => where.fn.any(where.val([...new Set(networkIds)])))
    .groupBy('network_id')
    .execute()
  return new Map(rows.map((row) => [row.network_id as NetworkId, row.size_bytes]))
}
