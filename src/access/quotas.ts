// How much an owner may store (docs/design/limits.md). A limit is the owner's own or the server's; without any nothing is counted as it comes. Where there is
// one, what comes is added to the owner's row by the transaction that makes it visible, under that row's lock, so that two at once don't go past it together;
// and all is counted anew now and then, since things leave and packs shrink.
import { InputError } from '../base/index.ts'
import { type Database, fixedQuery, type Queries, rememberedQuery, sql, type Tx } from '../db/index.ts'
import { type Actor, audit } from './audit.ts'
import type { AccountId } from './identity.ts'

/** What is added up as it comes is counted anew after this: things that left make room again. */
const staleS = 60

export interface OwnerQuota {
  readonly limitBytes: number
  readonly leftBytes: number
}

export interface OwnerUsage {
  /** Null: as much as it likes. */
  readonly limitBytes: number | null
  /** False: the server's. */
  readonly isOwnLimit: boolean
  /** Its share of packs: docs/design/limits.md says how networks are shared. */
  readonly gitBytes: number
  /** Of LFS objects, for each repository that has them. */
  readonly lfsBytes: number
  /** Of what packages hold: blobs and files, each content once for however many of the owner's packages have it, and manifests. */
  readonly packageBytes: number
}

/** The limit of the owner in that column; null: none. */
export function ownerLimit(ownerId: string) {
  return sql<number | null>`(
    select case when q.has_own_limit then q.limit_bytes else (select value::bigint from server_fact where name = 'quota_owner_bytes') end
    from (select 1) one left join owner_quota q on q.owner_id = ${sql.ref(ownerId)})`
}

/** The limit of owners that have none of their own, on every node; null: none. */
export async function setServerQuota(db: Database, limitBytes: number | null): Promise<void> {
  if (limitBytes === null) await db.queries.deleteFrom('server_fact').where('name', '=', 'quota_owner_bytes').execute()
  else {
    await db.queries
      .insertInto('server_fact')
      .values({ name: 'quota_owner_bytes', value: String(limitBytes) })
      .onConflict((conflict) => conflict.column('name').doUpdateSet({ value: String(limitBytes) }))
      .execute()
  }
}

/** What is left to the owner, before anything is received; null: he has no limit. The transaction that stores it decides: `chargeOwner`. */
export async function findQuota(db: Database, ownerId: AccountId): Promise<OwnerQuota | null> {
  const [row] = await askRow(db, ownerId)
  if (row === undefined) throw new Error('a statement of one row had none')
  if (row.limit === null) return null
  const usedBytes = row.isStale ? await db.transaction(async (tx) => recount(tx, ownerId), { mayRetry: true }) : row.used
  return { limitBytes: row.limit, leftBytes: Math.max(0, row.limit - usedBytes) }
}

/**
 * Adds to what the owner stores, in the transaction that makes it visible; nothing where he has no limit. His row stays locked: to be called after the
 * repository's row was locked, before the network's. InputError `quota-exceeded` when it is more than is left.
 * @param size bytes, or how to find out: asked only where there is a limit
 */
export async function chargeOwner(tx: Tx, ownerId: AccountId, size: number | (() => Promise<number>)): Promise<void> {
  if (size === 0) return
  const { limit, isCounted } = await readQuota(tx, ownerId)
  const sizeBytes = limit === null ? 0 : typeof size === 'number' ? size : await size()
  if (limit === null || sizeBytes === 0) return
  if (!isCounted) await recount(tx, ownerId)
  const { rows } = await sql`
    update owner_quota set used_bytes = used_bytes + ${sizeBytes}
    where owner_id = ${ownerId} and used_bytes + ${sizeBytes} <= ${limit} returning 1`.execute(tx)
  if (rows.length > 0) return
  const { used } = await readQuota(tx, ownerId)
  throw quotaExceeded({ limitBytes: limit, leftBytes: Math.max(0, limit - used) })
}

/** InputError `quota-exceeded`: what clients are told. */
export function quotaExceeded({ limitBytes, leftBytes }: OwnerQuota): InputError {
  const left = leftBytes === 0 ? 'nothing' : sizeText(leftBytes)
  return new InputError(
    'quota-exceeded',
    `the owner’s storage quota is exceeded: ${left} is left of ${sizeText(limitBytes)}; make room, or ask the administrator of this server for more`,
  )
}

export function sizeText(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB']
  const power = bytes < 1024 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10))
  return power === 0 ? `${bytes} bytes` : `${(bytes / 1024 ** power).toFixed(1)} ${units[power]}`
}

/** Counted at this moment. */
export async function ownerUsage(queries: Queries, ownerId: AccountId): Promise<OwnerUsage> {
  const [{ limit, isOwn }, counted] = await Promise.all([readQuota(queries, ownerId), count(queries, ownerId)])
  return { limitBytes: limit, isOwnLimit: isOwn, ...counted }
}

/** @param limitBytes null: as much as it likes, whatever the server's limit is; `server`: the server's limit again */
export async function setQuota(
  db: Database,
  owner: { readonly id: AccountId; readonly login: string },
  limitBytes: number | null | 'server',
  actor: Actor,
): Promise<void> {
  const isOwn = limitBytes !== 'server'
  const limit = isOwn ? limitBytes : null
  await db.transaction(
    async (tx) => {
      await sql`
        insert into owner_quota (owner_id, has_own_limit, limit_bytes) values (${owner.id}, ${isOwn}, ${limit}::bigint)
        on conflict (owner_id) do update set has_own_limit = excluded.has_own_limit, limit_bytes = excluded.limit_bytes,
          counted_at = '-infinity'`.execute(tx)
      const details = isOwn ? { limitBytes: limit } : {}
      await audit(tx, actor, { action: isOwn ? 'quota.set' : 'quota.clear', ownerId: owner.id, target: owner.login, details })
    },
    { mayRetry: true },
  )
}

async function readQuota(queries: Queries, ownerId: AccountId) {
  const [row] = await readRow(queries, ownerId)
  if (row === undefined) throw new Error('a statement of one row had none')
  return row
}

function rowOf(queries: Queries, ownerId: number) {
  const statement = sql<{ limit: number | null; isOwn: boolean; used: number; isCounted: boolean; isStale: boolean }>`
    select case when q.has_own_limit then q.limit_bytes else d.value::bigint end as limit, coalesce(q.has_own_limit, false) as "isOwn",
      coalesce(q.used_bytes, 0) as used, coalesce(q.counted_at > '-infinity', false) as "isCounted",
      coalesce(q.counted_at < now() - make_interval(secs => ${staleS}), true) as "isStale"
    from (select 1) one left join owner_quota q on q.owner_id = ${ownerId}
    left join server_fact d on d.name = 'quota_owner_bytes'`
  return { compile: () => statement.compile(queries) }
}

const readRow = fixedQuery(rowOf)
/** Asked before every upload: those who come together share the answer. */
const askRow = rememberedQuery(rowOf, { types: ['bigint'], most: 1000 })

/** Under the lock of the owner's row: what was added under it before is committed, and seen by the statement that counts. */
async function recount(tx: Tx, ownerId: AccountId): Promise<number> {
  await sql`insert into owner_quota (owner_id) values (${ownerId}) on conflict do nothing`.execute(tx)
  await sql`select from owner_quota where owner_id = ${ownerId} for update`.execute(tx)
  const usedBytes = totalBytes(await count(tx, ownerId))
  await sql`update owner_quota set used_bytes = ${usedBytes}, counted_at = now() where owner_id = ${ownerId}`.execute(tx)
  return usedBytes
}

type Counted = Pick<OwnerUsage, 'gitBytes' | 'lfsBytes' | 'packageBytes'>

export function totalBytes({ gitBytes, lfsBytes, packageBytes }: Counted): number {
  return gitBytes + lfsBytes + packageBytes
}

async function count(queries: Queries, ownerId: AccountId): Promise<Counted> {
  const { rows } = await sql<Counted>`
    with mine as (select id, network_id, pushed_bytes from repository where owner_id = ${ownerId}),
      stored as (select network_id, sum(size_bytes) as bytes from pack where network_id in (select network_id from mine) group by network_id),
      pushed as (
        select r.network_id, sum(r.pushed_bytes) + n.departed_bytes as bytes, min(r.id) as first
        from repository r join network n on n.id = r.network_id where n.id in (select network_id from mine) group by r.network_id, n.departed_bytes)
    select coalesce(ceil(sum(s.bytes * case when p.bytes > 0 then m.pushed_bytes::numeric / p.bytes when m.id = p.first then 1 else 0 end)), 0)::bigint
        as "gitBytes",
      (select coalesce(sum(size_bytes), 0)::bigint from lfs_object where repository_id in (select id from mine)) as "lfsBytes",
      (select coalesce(sum(size_bytes), 0)::bigint from (
        select b.content, b.size_bytes from oci_blob b join package p on p.id = b.package_id where p.owner_id = ${ownerId}
        union
        select f.content, f.size_bytes from package_file f join package p on p.id = f.package_id where p.owner_id = ${ownerId}) as contents)
      + (select coalesce(sum(octet_length(m.bytes)), 0)::bigint from oci_manifest m join package p on p.id = m.package_id where p.owner_id = ${ownerId})
        as "packageBytes"
    from mine m join stored s on s.network_id = m.network_id join pushed p on p.network_id = m.network_id`.execute(queries)
  return rows[0] ?? { gitBytes: 0, lfsBytes: 0, packageBytes: 0 }
}
