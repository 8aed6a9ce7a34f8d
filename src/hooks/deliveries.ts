// Deliveries' rows. Each try is a row: under way or to come, then done and never changed again; what is tried once more is a new row with the same
// guid. Trying again is decided in the statement that notes how a try ended, so no crash loses it.
import type { Randomness } from '../base/index.ts'
import { type Queries, sql } from '../db/index.ts'
import type { HookEvent } from './format/events.ts'
import type { ContentType } from './format/sending.ts'
import { type Hook, hostOf } from './hooks.ts'

/** For hooks that have no such event yet: one event, however many hooks. In a transaction of whoever knows of the event. */
export async function addDeliveries(
  tx: Queries,
  randomness: Randomness,
  event: HookEvent,
  hooks: readonly Hook[],
  at?: Date,
): Promise<void> {
  if (hooks.length === 0) return
  const { payload, ...named } = event
  const { id } = await tx
    .insertInto('hook_event')
    .values({ ...named, payload: JSON.stringify(payload), ...(at === undefined ? {} : { at }) })
    .returning('id')
    .executeTakeFirstOrThrow()
  const rows = hooks.map((hook) => ({
    hook_id: hook.id,
    event_id: id,
    guid: randomness.uuid(),
    host: hostOf(hook.url),
    tries: 1,
    due_at: sql<Date>`now()`,
  }))
  await tx.insertInto('hook_delivery').values(rows).execute()
}

/** SQL: whether `dueDeliveries` would find one. */
export const isAnyDue = sql<boolean>`exists (select from hook_delivery where due_at <= now())`

/** For how many seconds the delivery that is due longest has been due; 0: none is. */
export async function webhookLag(queries: Queries): Promise<number> {
  const { rows } = await sql<{ lag: number }>`
    select coalesce(extract(epoch from now() - min(due_at)), 0)::float8 as lag from hook_delivery where due_at <= now()`.execute(queries)
  return rows[0]?.lag ?? 0
}

export interface Room {
  /** Deliveries that are under way: not to be taken again. */
  readonly running: readonly number[]
  /** How many more may go to a host; one that isn't named may take `perHost`. */
  readonly free: ReadonlyMap<string, number>
  readonly perHost: number
  /** How many more there may be in all. */
  readonly most: number
}

/** Those that are due, each host's oldest first: a host with very many holds up no other, and costs no more than one with few. */
export async function dueDeliveries(queries: Queries, room: Room): Promise<readonly { readonly id: number; readonly host: string }[]> {
  const { rows } = await sql<{ id: number; host: string }>`
    with recursive hosts (host) as (
      (select host from hook_delivery where due_at is not null order by host limit 1)
      union all
      select (select d.host from hook_delivery as d where d.due_at is not null and d.host > hosts.host order by d.host limit 1)
      from hosts where hosts.host is not null)
    select due.id, hosts.host from hosts
    left join unnest(${[...room.free.keys()]}::text[], ${[...room.free.values()]}::int[]) as busy (host, free) on busy.host = hosts.host
    cross join lateral (
      select id, due_at from hook_delivery as d
      where d.due_at <= now() and d.host = hosts.host and d.id <> all(${[...room.running]}::bigint[])
      order by d.due_at limit coalesce(busy.free, ${room.perHost}::int)) as due
    order by due.due_at limit ${room.most}`.execute(queries)
  return rows
}

/** A try to be made, with everything that it needs. */
export interface DueDelivery {
  readonly id: number
  readonly guid: string
  readonly tries: number
  readonly hookId: number
  readonly target: { readonly kind: 'repository' | 'organization'; readonly id: number }
  readonly isActive: boolean
  readonly url: string
  readonly contentType: ContentType
  readonly insecureSsl: boolean
  readonly sealedSecret: string | null
  readonly event: string
  readonly type: string
  readonly source: string
  readonly subject: string | null
  readonly at: Date
  readonly payload: string
}

/** Null: it is done, or its hook is gone. */
export async function readDue(queries: Queries, id: number): Promise<DueDelivery | null> {
  const row = await queries
    .selectFrom('hook_delivery')
    .innerJoin('hook', 'hook.id', 'hook_delivery.hook_id')
    .innerJoin('hook_event', 'hook_event.id', 'hook_delivery.event_id')
    .select(['guid', 'tries', 'hook_id', 'repository_id', 'account_id', 'is_active', 'url', 'content_type', 'insecure_ssl', 'secret'])
    .select(['event', 'type', 'source', 'subject', 'at', 'payload'])
    .where('hook_delivery.id', '=', id)
    .where('due_at', 'is not', null)
    .executeTakeFirst()
  if (!row) return null
  const { repository_id, account_id } = row
  return {
    id,
    guid: row.guid,
    tries: row.tries,
    hookId: row.hook_id,
    target: repository_id === null ? { kind: 'organization', id: account_id as number } : { kind: 'repository', id: repository_id },
    isActive: row.is_active,
    url: row.url,
    contentType: row.content_type as ContentType,
    insecureSsl: row.insecure_ssl,
    sealedSecret: row.secret,
    event: row.event,
    type: row.type,
    source: row.source,
    subject: row.subject,
    at: row.at,
    payload: row.payload,
  }
}

/** How a try ended. */
export interface Outcome {
  /** Null: no answer. */
  readonly statusCode: number | null
  /** `OK`, or what is wrong, in one line. */
  readonly status: string
  readonly durationMs: number
  readonly request: Readonly<Record<string, string>> | null
  readonly responseHeaders: Readonly<Record<string, string>> | null
  readonly responseBody: string | null
  /** So long from now it is tried again; null: it isn't. */
  readonly againMs: number | null
}

/** Does nothing when the try was noted already: a node whose lease was lost may have made it, too. */
export async function endDelivery(queries: Queries, id: number, outcome: Outcome): Promise<void> {
  const { statusCode, status, durationMs, request, responseHeaders, responseBody, againMs } = outcome
  await sql`
    with done as (
      update hook_delivery set due_at = null, delivered_at = now(), duration_ms = ${Math.round(durationMs)}, status_code = ${statusCode},
        status = ${status}, request = ${request && JSON.stringify(request)}::jsonb,
        response_headers = ${responseHeaders && JSON.stringify(responseHeaders)}::jsonb, response_body = ${responseBody}
      where id = ${id} and due_at is not null returning hook_id, event_id, guid, host, tries)
    insert into hook_delivery (hook_id, event_id, guid, host, is_redelivery, tries, due_at)
    select hook_id, event_id, guid, host, true, tries + 1, now() + ${Math.round(againMs ?? 0)} * interval '1 millisecond'
    from done where ${againMs !== null}`.execute(queries)
}

/** Deletes events that are older, with their deliveries; how many events. */
export async function trimDeliveries(queries: Queries, keepMs: number, signal?: AbortSignal): Promise<number> {
  const atOnce = 1000
  for (let trimmed = 0; ; ) {
    signal?.throwIfAborted()
    const { numAffectedRows = 0n } = await sql`
      delete from hook_event where id in (
        select id from hook_event where at < now() - ${keepMs} * interval '1 millisecond' order by at limit ${atOnce})`.execute(queries)
    trimmed += Number(numAffectedRows)
    if (numAffectedRows < atOnce) return trimmed
  }
}
