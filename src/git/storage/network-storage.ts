// Sums of networks: counted in a worker at a version of the packs, and kept in a row until there is a later one.
import { InputError, MessageStream } from '../../base/index.ts'
import { type Database, type Queries, sql } from '../../db/index.ts'
import type { Job } from '../../jobs/index.ts'
import type { GitRoom } from '../git-room.ts'
import { isPackAbove } from '../new-packs.ts'
import type { CountJob, PackSums } from './count-job.ts'

/** What is stored of packs, as rows say it. */
export interface StoredValues {
  readonly packCount: number
  /** Values in the bucket: packs, history and path tables. */
  readonly keyCount: number
  readonly packBytes: number
  /** Of the packs' indexes. */
  readonly indexBytes: number
  /** Of packs and their indexes that are rows, being small. */
  readonly tailBytes: number
  readonly historyBytes: number
  readonly pathTableBytes: number
}

export interface NetworkStorage {
  readonly sums: PackSums
  readonly stored: StoredValues
}

export interface GitTotals {
  /** Of the networks that were counted; those without packs need not be. */
  readonly sums: PackSums
  /** Of all. */
  readonly stored: StoredValues
  readonly networkCount: number
  readonly countedNetworks: number
}

/** Networks that are counted in one run of the background work. */
const networksAtOnce = 50
/** Packs that are looked at together for networks that have changed. */
const packsAtOnce = 5000
/** Rows that got their ids before others and were committed after them: looked at again. */
const idSlack = 1000
/** Up to which pack that was done, in `server_fact`. */
const countedFact = 'storage_counted'

/** Counted now if it wasn't since its packs changed. InputError 'repository-deleted' and what the bucket throws, when it can't be. */
export async function networkStorage(room: GitRoom, networkId: string): Promise<NetworkStorage> {
  const { db } = room.options
  const kept = await keptSums(db.queries, networkId)
  const sums = kept ?? (await count(room, networkId))
  return { sums, stored: await storedValues(db.queries, networkId) }
}

export async function gitTotals(queries: Queries): Promise<GitTotals> {
  const [{ rows }, stored, networks] = await Promise.all([
    sql<PackSums & { counted: number }>`select ${sumColumns}, count(*)::float8 as counted from network_storage`.execute(queries),
    storedValues(queries, null),
    queries
      .selectFrom('network')
      .select((select) => select.fn.countAll<number>().as('count'))
      .select(
        sql<number>`count(*) filter (where not exists (select from pack where network_id = network.id)
        and not exists (select from network_storage where network_id = network.id))`.as('empty'),
      )
      .executeTakeFirstOrThrow(),
  ])
  const { counted, ...sums } = rows[0] as PackSums & { counted: number }
  return { sums, stored, networkCount: networks.count, countedNetworks: counted + networks.empty }
}

const countedPack = sql`coalesce((select value::bigint from server_fact where name = ${sql.lit(countedFact)}), 0)`

/** Leased work: counts networks that got packs since they were counted, a few at a time. What was quiet isn't looked at. */
export function storageCounter(room: GitRoom, intervalMs = 60_000): Job {
  const { db, log } = room.options
  return {
    kind: 'count-storage',
    intervalMs,
    work: () => isPackAbove(countedPack),
    run: async (signal) => {
      const { networks, upTo } = await changedNetworks(db.queries)
      for (const id of networks) {
        signal.throwIfAborted()
        await count(room, id).catch((error: unknown) => {
          if (!(error instanceof InputError)) log.warn({ err: error, network: id }, 'what a network stores could not be counted')
        })
      }
      await sql`
        insert into server_fact (name, value) values (${countedFact}, ${String(upTo)})
        on conflict (name) do update set value = greatest(server_fact.value::bigint, excluded.value::bigint)::text`.execute(db.queries)
    },
  }
}

/** Networks with packs that came since, whose sums are of another version; and up to which pack that are all. */
async function changedNetworks(queries: Queries): Promise<{ networks: string[]; upTo: number }> {
  const { rows } = await sql<{ id: string; first: number; newest: number }>`
    with batch as materialized (select id, network_id from pack where id > ${countedPack} - ${idSlack} order by id limit ${packsAtOnce}),
      changed as (
        select b.network_id as id, min(b.id) as first from batch b join network n on n.id = b.network_id
        left join network_storage s on s.network_id = n.id where s.packs_version is distinct from n.packs_version
        group by b.network_id order by first limit ${networksAtOnce})
    select c.id, c.first::float8 as first, coalesce((select max(id) from batch), 0)::float8 as newest
    from (select 1) one left join changed c on true order by c.first`.execute(queries)
  const networks = rows.flatMap(({ id }) => id ?? [])
  const last = rows.at(-1)
  return { networks, upTo: (networks.length < networksAtOnce ? last?.newest : last?.first) ?? 0 }
}

const sumColumns = sql`
  coalesce(sum(object_count), 0)::float8 as "objectCount", coalesce(sum(logical_bytes), 0)::float8 as "logicalBytes",
  coalesce(sum(whole_bytes), 0)::float8 as "wholeBytes", coalesce(sum(whole_stored_bytes), 0)::float8 as "wholeStoredBytes",
  coalesce(sum(delta_bytes), 0)::float8 as "deltaBytes", coalesce(sum(delta_stored_bytes), 0)::float8 as "deltaStoredBytes",
  coalesce(sum(copy_count), 0)::float8 as "copyCount", coalesce(sum(copy_stored_bytes), 0)::float8 as "copyStoredBytes"`

async function keptSums(queries: Queries, networkId: string): Promise<PackSums | null> {
  const { rows } = await sql<PackSums & { kept: number }>`
    select ${sumColumns}, count(*)::float8 as kept from network_storage s join network n on n.id = s.network_id
    where n.id = ${networkId} and s.packs_version = n.packs_version`.execute(queries)
  const { kept, ...sums } = rows[0] as PackSums & { kept: number }
  return kept === 0 ? null : sums
}

async function count(room: GitRoom, networkId: string): Promise<PackSums> {
  const { db } = room.options
  // before the packs: what is counted is of this version, or a later one
  const network = await db.queries.selectFrom('network').select('packs_version').where('id', '=', networkId).executeTakeFirst()
  if (!network) throw new InputError('repository-deleted', 'the repository was deleted')
  const { handle } = await room.packs.open(networkId)
  const sums = await room.workers.run('countStorage', { packs: handle } satisfies CountJob, [], (port) =>
    new MessageStream<PackSums>(port).message(),
  )
  await keep(db, networkId, network.packs_version, sums)
  return sums
}

async function keep(db: Database, networkId: string, version: number, sums: PackSums): Promise<void> {
  await sql`
    insert into network_storage (network_id, packs_version, object_count, logical_bytes, whole_bytes, whole_stored_bytes, delta_bytes,
      delta_stored_bytes, copy_count, copy_stored_bytes)
    select id, ${version}, ${sums.objectCount}, ${sums.logicalBytes}, ${sums.wholeBytes}, ${sums.wholeStoredBytes}, ${sums.deltaBytes},
      ${sums.deltaStoredBytes}, ${sums.copyCount}, ${sums.copyStoredBytes}
    from network where id = ${networkId}
    on conflict (network_id) do update set packs_version = excluded.packs_version, object_count = excluded.object_count,
      logical_bytes = excluded.logical_bytes, whole_bytes = excluded.whole_bytes, whole_stored_bytes = excluded.whole_stored_bytes,
      delta_bytes = excluded.delta_bytes, delta_stored_bytes = excluded.delta_stored_bytes, copy_count = excluded.copy_count,
      copy_stored_bytes = excluded.copy_stored_bytes, counted_at = now()
    where network_storage.packs_version <= excluded.packs_version`.execute(db.queries)
}

/** @param networkId null: of all networks */
async function storedValues(queries: Queries, networkId: string | null): Promise<StoredValues> {
  const isMeant = networkId === null ? sql`true` : sql`network_id = ${networkId}`
  const { rows } = await sql<StoredValues>`
    select p."packCount", p."packBytes", p."indexBytes", p."tailBytes", h."historyBytes", t."pathTableBytes", p.keys + h.keys + t.keys as "keyCount" from
      (select count(*)::float8 as "packCount", count(key)::float8 as keys,
        coalesce(sum(pack_bytes) filter (where key is not null), 0)::float8 as "packBytes",
        coalesce(sum(size_bytes - pack_bytes) filter (where key is not null), 0)::float8 as "indexBytes",
        coalesce(sum(size_bytes) filter (where key is null), 0)::float8 as "tailBytes" from pack where ${isMeant}) p,
      (select count(*)::float8 as keys, coalesce(sum(size_bytes), 0)::float8 as "historyBytes" from history where ${isMeant}) h,
      (select count(*)::float8 as keys, coalesce(sum(size_bytes), 0)::float8 as "pathTableBytes" from path_table where ${isMeant}) t`.execute(
    queries,
  )
  return rows[0] as StoredValues
}
