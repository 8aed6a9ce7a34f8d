// What networks let go longer ago than the grace, out of their reflogs: each entry is looked at once, in the order of ids, up to the first that is too young.
// `server_fact` has how far that came; `network_review` the networks in which something was found.
import { concatBytes } from '../../base/index.ts'
import { type Database, sql } from '../../db/index.ts'

const reviewedFact = 'reflog_reviewed'
const batchEntries = 10_000
const batchRoots = 10_000

export interface LetGo {
  readonly networkId: string
  /** Packed ids, each once. */
  readonly past: Uint8Array
  /** When the first of them was let go. */
  readonly since: Date
}

export interface Batch {
  readonly networks: readonly LetGo[]
  /** Id of the last entry that was looked at; null: there was none. */
  readonly lastEntry: number | null
  /** Rows of `past_root`. */
  readonly pastRoots: readonly PastRoot[]
}

interface PastRoot {
  readonly network_id: string
  readonly oid: Buffer
  readonly at: Date
}

const before = (graceS: number) => sql`now() - ${graceS} * interval '1 second'`

const reviewed = sql`coalesce((select value::bigint from server_fact where name = ${sql.lit(reviewedFact)}), 0)`

/** SQL: there is something to look at, or to collect. */
export function hasWork(graceS: number) {
  return sql<boolean>`(exists (select from network_review where due_at <= now())
    or exists (select from past_root where at < ${before(graceS)})
    or coalesce((select at < ${before(graceS)} from reflog where id > ${reviewed} order by id limit 1), false))`
}

/** Null when nothing is old enough. */
export async function nextBatch({ queries }: Database, graceS: number): Promise<Batch | null> {
  const { rows: entries } = await sql<PastRoot & { id: number; oid: Buffer | null }>`
    with batch as materialized (select id, repository_id, old_oid, at from reflog where id > ${reviewed} order by id limit ${batchEntries})
    select b.id::float8 as id, r.network_id, b.old_oid as oid, b.at from batch b join repository r on r.id = b.repository_id
    where b.id < coalesce((select min(id) from batch where at >= ${before(graceS)}), 9223372036854775807) order by b.id`.execute(queries)
  const { rows: pastRoots } = await sql<PastRoot>`
    select network_id, oid, at from past_root where at < ${before(graceS)} order by at limit ${batchRoots}`.execute(queries)
  if (entries.length + pastRoots.length === 0) return null
  return {
    networks: byNetwork([...entries.flatMap(({ oid, ...entry }) => (oid === null ? [] : [{ ...entry, oid }])), ...pastRoots]),
    lastEntry: entries.at(-1)?.id ?? null,
    pastRoots,
  }
}

function byNetwork(roots: readonly PastRoot[]): LetGo[] {
  const found = new Map<string, { ids: Map<string, Buffer>; since: Date }>()
  for (const { network_id, oid, at } of roots) {
    const known = found.get(network_id) ?? { ids: new Map<string, Buffer>(), since: at }
    known.ids.set(oid.toString('latin1'), oid)
    found.set(network_id, { ids: known.ids, since: at < known.since ? at : known.since })
  }
  return [...found].map(([networkId, { ids, since }]) => ({ networkId, past: concatBytes([...ids.values()]), since }))
}

/** The batch is done with; those networks are to be collected. */
export async function endBatch(db: Database, { lastEntry, pastRoots }: Batch, left: readonly LetGo[]): Promise<void> {
  await db.transaction(
    async (tx) => {
      await sql`
        insert into network_review (network_id, since)
        select n.id, found.since from unnest(${left.map((one) => one.networkId)}::uuid[], ${left.map((one) => one.since)}::timestamptz[])
          as found (id, since) join network n on n.id = found.id order by n.id
        on conflict (network_id) do update set since = least(network_review.since, excluded.since)`.execute(tx)
      // one that came again meanwhile has another time
      await sql`
        delete from past_root p using unnest(${pastRoots.map((one) => one.network_id)}::uuid[], ${pastRoots.map((one) => one.oid)}::bytea[],
          ${pastRoots.map((one) => one.at)}::timestamptz[]) as done (network_id, oid, at)
        where p.network_id = done.network_id and p.oid = done.oid and p.at < done.at + interval '1 ms'`.execute(tx)
      if (lastEntry === null) return
      await sql`
        insert into server_fact (name, value) values (${reviewedFact}, ${String(lastEntry)})
        on conflict (name) do update set value = excluded.value`.execute(tx)
    },
    { mayRetry: true },
  )
}

export interface Review {
  readonly networkId: string
  /** It has been so for as long again as the grace: not to be put off any more. */
  readonly isLate: boolean
}

/** The network whose collection is due for the longest time; null: none is. */
export async function nextReview({ queries }: Database, graceS: number): Promise<Review | null> {
  const { rows } = await sql<Review>`
    select network_id as "networkId", since < ${before(graceS * 2)} as "isLate" from network_review
    where due_at <= now() order by due_at limit 1`.execute(queries)
  return rows[0] ?? null
}

/** @param inS to be looked at again so much later; null: it is done with */
export async function endReview({ queries }: Database, networkId: string, inS: number | null): Promise<void> {
  if (inS === null) await sql`delete from network_review where network_id = ${networkId}`.execute(queries)
  else await sql`update network_review set due_at = now() + ${inS} * interval '1 second' where network_id = ${networkId}`.execute(queries)
}
