// Reads the outbox as many times as there are consumers, each at its own place (docs/design/outbox.md). Ids are given out before transactions
// commit, so a reader that follows ids passes over rows that come later. Here rows stand in the order of (transaction, id), and a row is read
// only when every older transaction has ended: nothing can come in front of it any more.
// Invariant: a consumer gets every row that is written once it has asked for the first time; a row twice only when its own work and its place
// were not moved in one transaction.
import { type Database, type Queries, type RawBuilder, sql } from '../db/index.ts'
import type { Job } from './runner.ts'

/** Behind the last row that a consumer is done with. */
export interface OutboxPlace {
  /** A transaction's number: 64 bits, as text. */
  readonly xid: string
  readonly id: number
}

export interface OutboxRow {
  readonly place: OutboxPlace
  readonly kind: string
  readonly repositoryId: number | null
  /** What whoever wrote the row says of it. */
  readonly payload: unknown
  readonly at: Date
}

export interface OutboxBatch {
  /** Where the consumer stands: `moveConsumer` wants it back. */
  readonly from: OutboxPlace
  /** In order; empty: there is nothing new. */
  readonly rows: readonly OutboxRow[]
}

/** Rows are kept so long after they were written, though nobody needs them: for whoever looks into what happened. */
const keptFor = sql<Date>`now() - interval '1 hour'`
const trimmedAtOnce = 5000

/** All transactions below it have ended. */
const horizon = sql`pg_snapshot_xmin(pg_current_snapshot())`
/** No transaction of this database has reached it. */
const future = sql`pg_snapshot_xmax(pg_current_snapshot())`

/** The next rows for that consumer, at most `limit`. Who asks for the first time begins with the oldest row that there is. */
export async function readOutbox(db: Database, consumer: string, limit: number): Promise<OutboxBatch> {
  const { rows: places } = await sql<{ xid: string; id: number; is_foreign: boolean }>`
    select xid::text as xid, id, xid >= ${future} or exists (select from outbox where xid >= ${future}) as is_foreign
    from outbox_consumer where name = ${consumer}`.execute(db.queries)
  const [place] = places
  if (place === undefined) {
    await sql`insert into outbox_consumer (name, xid, id) values (${consumer}, '0', 0) on conflict do nothing`.execute(db.queries)
    return await readOutbox(db, consumer, limit)
  }
  if (place.is_foreign) {
    await adopt(db)
    return await readOutbox(db, consumer, limit)
  }
  const { rows } = await sql<{ xid: string; id: number; kind: string; repository_id: number | null; payload: unknown; at: Date }>`
    select xid::text as xid, id, kind, repository_id, payload, at from outbox
    where (xid, id) > (${place.xid}::xid8, ${place.id}::bigint) and xid < ${horizon} order by outbox.xid, id limit ${limit}`.execute(
    db.queries,
  )
  return {
    from: { xid: place.xid, id: place.id },
    rows: rows.map(({ xid, id, kind, repository_id, payload, at }) => ({
      place: { xid, id },
      kind,
      repositoryId: repository_id,
      payload,
      at,
    })),
  }
}

/** Moves a consumer on, in the transaction of what it did with the rows. False when it stands elsewhere by now: what was done is not to be committed. */
export async function moveConsumer(tx: Queries, consumer: string, from: OutboxPlace, to: OutboxPlace): Promise<boolean> {
  const { numAffectedRows } = await sql`
    update outbox_consumer set xid = ${to.xid}::xid8, id = ${to.id}
    where name = ${consumer} and xid = ${from.xid}::xid8 and id = ${from.id}`.execute(tx)
  return numAffectedRows === 1n
}

/** SQL: whether `readOutbox` would find rows; true also for a consumer that hasn't asked yet. */
export function hasOutboxRows(consumer: string): RawBuilder<boolean> {
  return sql`(not exists (select from outbox_consumer where name = ${consumer}) or exists (
    select from outbox_consumer as c cross join lateral (
      select from outbox where (outbox.xid, outbox.id) > (c.xid, c.id) and outbox.xid < ${horizon} limit 1) as news
    where c.name = ${consumer}))`
}

/**
 * Rows that came from another PostgreSQL (a backup put back, a dump) carry numbers of transactions that are still to come here. They become the oldest
 * of all, in the order of their ids; each consumer goes back to the first of them that it may not have had.
 */
async function adopt(db: Database): Promise<void> {
  await db.transaction(
    async (tx) => {
      await sql`lock table outbox_consumer in exclusive mode`.execute(tx)
      const { rows } = await sql<{ last: number | null }>`
        select greatest((select max(id) from outbox where xid >= ${future}),
          (select max(id) from outbox_consumer where xid >= ${future})) as last`.execute(tx)
      const last = rows[0]?.last ?? null
      if (last === null) return
      await sql`
        update outbox_consumer as c set xid = '0', id = coalesce(
          (select min(id) - 1 from outbox where outbox.id <= ${last} and (outbox.xid, outbox.id) > (c.xid, c.id)), ${last})`.execute(tx)
      await sql`update outbox set xid = '0' where id <= ${last} and xid is not null`.execute(tx)
    },
    { mayRetry: true },
  )
}

/** Deletes rows that every consumer has passed; how many. Where nobody has ever asked, all stay. */
export async function trimOutbox(db: Database, signal?: AbortSignal): Promise<number> {
  for (let trimmed = 0; ; ) {
    signal?.throwIfAborted()
    const { numAffectedRows = 0n } = await sql`
      delete from outbox where id in (
        select o.id from outbox as o, (select xid, id from outbox_consumer order by xid, id limit 1) as slowest
        where (o.xid is null or (o.xid, o.id) <= (slowest.xid, slowest.id)) and o.at < ${keptFor} order by o.id limit ${trimmedAtOnce})`.execute(
      db.queries,
    )
    trimmed += Number(numAffectedRows)
    if (numAffectedRows < trimmedAtOnce) return trimmed
  }
}

/** The same as leased work. */
export function outboxTrimmer(db: Database): Job {
  return {
    kind: 'trim-outbox',
    intervalMs: 600_000,
    run: async (signal) => {
      await trimOutbox(db, signal)
    },
  }
}
