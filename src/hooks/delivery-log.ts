// The log of a hook's deliveries, as who administers the hook sees it: tries that have ended, the newest first.
import { type Queries, sql } from '../db/index.ts'
import { hostOf } from './hooks.ts'

/** A try that has ended, without what was sent and answered. */
export interface DeliveryFacts {
  readonly id: number
  readonly guid: string
  readonly deliveredAt: Date
  readonly isRedelivery: boolean
  readonly durationMs: number
  readonly status: string
  /** Null: no answer. */
  readonly statusCode: number | null
  readonly event: string
  readonly action: string | null
  readonly repositoryId: number | null
}

export interface DeliveryDetails extends DeliveryFacts {
  readonly url: string
  readonly requestHeaders: Readonly<Record<string, string>>
  /** JSON. */
  readonly payload: string
  readonly responseHeaders: Readonly<Record<string, string>> | null
  readonly responseBody: string | null
}

/** @param before only older ones than that */
export async function listDeliveries(
  queries: Queries,
  hookId: number,
  { before, most }: { readonly before: number | null; readonly most: number },
): Promise<readonly DeliveryFacts[]> {
  const rows = await ended(queries, hookId)
    .$if(before !== null, (query) => query.where('hook_delivery.id', '<', before))
    .orderBy('hook_delivery.id', 'desc')
    .limit(most)
    .execute()
  return rows.map(factsOf)
}

/** Null: the hook has no such delivery. */
export async function findDelivery(queries: Queries, hookId: number, id: number): Promise<DeliveryDetails | null> {
  const row = await ended(queries, hookId)
    .select(['hook.url', 'request', 'payload', 'response_headers', 'response_body'])
    .where('hook_delivery.id', '=', id)
    .executeTakeFirst()
  if (!row) return null
  return {
    ...factsOf(row),
    url: row.url,
    requestHeaders: (row.request ?? {}) as Readonly<Record<string, string>>,
    payload: row.payload,
    responseHeaders: row.response_headers as Readonly<Record<string, string>> | null,
    responseBody: row.response_body,
  }
}

/** The same event once more, with all tries; false: the hook has no such delivery. */
export async function redeliver(queries: Queries, hook: { readonly id: number; readonly url: string }, id: number): Promise<boolean> {
  const { numAffectedRows } = await sql`
    insert into hook_delivery (hook_id, event_id, guid, host, is_redelivery, tries, due_at)
    select hook_id, event_id, guid, ${hostOf(hook.url)}, true, 1, now() from hook_delivery
    where hook_id = ${hook.id} and id = ${id} and due_at is null`.execute(queries)
  return numAffectedRows === 1n
}

/** How the last try of each of those hooks ended. */
export async function lastOutcomes(
  queries: Queries,
  hookIds: readonly number[],
): Promise<ReadonlyMap<number, { readonly statusCode: number | null; readonly status: string }>> {
  const { rows } = await sql<{ hook_id: number; status_code: number | null; status: string }>`
    select last.* from unnest(${[...hookIds]}::bigint[]) as hook (id) cross join lateral (
      select hook_id, status_code, status from hook_delivery where hook_id = hook.id and due_at is null
      order by hook_delivery.id desc limit 1) as last`.execute(queries)
  return new Map(rows.map((row) => [row.hook_id, { statusCode: row.status_code, status: row.status }]))
}

function ended(queries: Queries, hookId: number) {
  return queries
    .selectFrom('hook_delivery')
    .innerJoin('hook', 'hook.id', 'hook_delivery.hook_id')
    .innerJoin('hook_event', 'hook_event.id', 'hook_delivery.event_id')
    .select(['hook_delivery.id', 'guid', 'delivered_at', 'is_redelivery', 'duration_ms', 'status', 'status_code', 'event', 'action'])
    .select('hook.repository_id')
    .where('hook_delivery.hook_id', '=', hookId)
    .where('hook_delivery.due_at', 'is', null)
}

type EndedRow = Awaited<ReturnType<ReturnType<typeof ended>['executeTakeFirstOrThrow']>>

function factsOf(row: EndedRow): DeliveryFacts {
  return {
    id: row.id,
    guid: row.guid,
    deliveredAt: row.delivered_at as Date,
    isRedelivery: row.is_redelivery,
    durationMs: row.duration_ms ?? 0,
    status: row.status ?? '',
    statusCode: row.status_code,
    event: row.event,
    action: row.action,
    repositoryId: row.repository_id,
  }
}
