// Pages of an account's repositories.
import { type Queries, sql } from '../db/index.ts'
import type { AccountId, NetworkId } from './identity.ts'
import type { Visibility } from './may.ts'
import { type Repository, repositoryOf, repositoryRows } from './repositories.ts'

export interface ListOptions {
  readonly ownerId: AccountId
  /** Both without it. */
  readonly visibility?: Visibility
  readonly sort: 'created' | 'updated' | 'pushed' | 'full_name'
  readonly direction: 'asc' | 'desc'
  /** From 1. */
  readonly page: number
  readonly perPage: number
}

const sortColumns = {
  created: sql`repository.created_at`,
  updated: sql`repository.updated_at`,
  pushed: sql`repository.pushed_at`,
  full_name: sql`lower(repository.name)`,
} as const

/** One page, and how many there are in all. Ties are broken by id, so that pages neither miss nor repeat. */
export async function listRepositories(queries: Queries, options: ListOptions): Promise<{ repositories: Repository[]; total: number }> {
  const { ownerId, visibility, direction } = options
  let rows = repositoryRows(queries).where('repository.owner_id', '=', ownerId)
  let count = queries
    .selectFrom('repository')
    .select((select) => select.fn.countAll<number>().as('total'))
    .where('owner_id', '=', ownerId)
  if (visibility) {
    rows = rows.where('repository.visibility', '=', visibility)
    count = count.where('visibility', '=', visibility)
  }
  const [page, { total }] = await Promise.all([
    rows
      .orderBy(sortColumns[options.sort], (order) => (direction === 'asc' ? order.asc().nullsFirst() : order.desc().nullsLast()))
      .orderBy('repository.id', direction)
      .limit(options.perPage)
      .offset((options.page - 1) * options.perPage)
      .execute(),
    count.executeTakeFirstOrThrow(),
  ])
  return { repositories: page.map(repositoryOf), total }
}

/** Every repository, by owner and name. For the operator's commands. */
export async function allRepositories(queries: Queries): Promise<Repository[]> {
  const rows = await repositoryRows(queries).orderBy(sql`lower(account.login)`).orderBy(sql`lower(repository.name)`).execute()
  return rows.map(repositoryOf)
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
