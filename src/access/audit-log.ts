// The audit, read: pages of it by cursor, and all of it as it comes, in bounded memory.
import { type Queries, sql } from '../db/index.ts'
import { auditActions } from './audit-actions.ts'
import type { AccountId, RepositoryId } from './identity.ts'

export interface AuditRow {
  /** Grows with time, but for acts at the same moment. */
  readonly id: number
  readonly at: Date
  readonly action: string
  readonly actorId: number | null
  readonly actor: string
  readonly ownerId: number | null
  readonly repositoryId: number | null
  readonly target: string
  readonly details: Readonly<Record<string, unknown>>
  readonly ip: string | null
  readonly requestId: string | null
}

/** Everything that is given must hold. */
export interface AuditFilter {
  readonly ownerId?: AccountId
  readonly repositoryId?: RepositoryId
  /** A word (`member.add`), or what it begins with (`member`). */
  readonly action?: string
  /** As the actor was called then, in any case. */
  readonly actor?: string
  /** From then on, that moment included; before then. */
  readonly since?: Date
  readonly until?: Date
}

/** `desc`: the newest first. */
export type AuditOrder = 'asc' | 'desc'

export interface AuditPage {
  readonly order: AuditOrder
  /** In that order: rows that come after this one, or right before that one. */
  readonly after?: number
  readonly before?: number
  readonly most: number
}

/** One page, in its order, and whether there is more in the direction that was asked for. */
export async function readAudit(
  queries: Queries,
  filter: AuditFilter,
  page: AuditPage,
): Promise<{ readonly rows: AuditRow[]; readonly isMore: boolean }> {
  const { order, after, before, most } = page
  const isBackward = before !== undefined
  const direction = isBackward === (order === 'asc') ? 'desc' : 'asc'
  const comparison = direction === 'asc' ? '>' : '<'
  const from = before ?? after
  const found = await filtered(queries, filter)
    .$if(from !== undefined, (query) => query.where('id', comparison, from as number))
    .orderBy('id', direction)
    .limit(most + 1)
    .execute()
  const rows = found.slice(0, most).map(rowOf)
  return { rows: isBackward ? rows.reverse() : rows, isMore: found.length > most }
}

const exportRows = 500

/** All of it, some rows at a time: each is asked for when the ones before it are taken. */
export async function* auditRows(queries: Queries, filter: AuditFilter, order: AuditOrder): AsyncGenerator<AuditRow> {
  let after: number | undefined
  for (;;) {
    const { rows, isMore } = await readAudit(queries, filter, { order, most: exportRows, ...(after === undefined ? {} : { after }) })
    yield* rows
    after = rows.at(-1)?.id
    if (!isMore || after === undefined) return
  }
}

function filtered(queries: Queries, { ownerId, repositoryId, action, actor, since, until }: AuditFilter) {
  let query = queries.selectFrom('audit').selectAll()
  if (ownerId !== undefined) query = query.where('owner_id', '=', ownerId)
  if (repositoryId !== undefined) query = query.where('repository_id', '=', repositoryId)
  if (action !== undefined) query = query.where('action', 'in', wordsOf(action))
  if (actor !== undefined) query = query.where(sql<boolean>`lower(actor) = ${actor.toLowerCase()}`)
  if (since !== undefined) query = query.where('at', '>=', since)
  if (until !== undefined) query = query.where('at', '<', until)
  return query
}

/** Words, so that an index finds them. */
function wordsOf(action: string): string[] {
  return [action, ...Object.keys(auditActions).filter((word) => word.startsWith(`${action}.`))]
}

type StoredRow = Awaited<ReturnType<ReturnType<typeof filtered>['executeTakeFirstOrThrow']>>

function rowOf(row: StoredRow): AuditRow {
  return {
    id: row.id,
    at: row.at,
    action: row.action,
    actorId: row.actor_id,
    actor: row.actor,
    ownerId: row.owner_id,
    repositoryId: row.repository_id,
    target: row.target,
    details: row.details as Record<string, unknown>,
    ip: row.ip,
    requestId: row.request_id,
  }
}
