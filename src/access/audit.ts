// The audit: a row for every change of access and every administrative act, by the transaction of the act, so that neither is there without the
// other. Rows are never changed, and outlive what they tell of. Secrets never stand in them.
import type { FastifyRequest } from 'fastify'
import type { Queries } from '../db/index.ts'
import { sentFrom } from '../http/index.ts'
import type { AuditAction } from './audit-actions.ts'
import type { AccountId, Identity, RepositoryId } from './identity.ts'

/** Who acts. */
export interface Actor {
  readonly accountId: AccountId | null
  readonly name: string
  /** Where a request came from, and which it was. */
  readonly ip?: string
  readonly requestId?: string
}

/** Whoever runs the command on the server's own machine. */
export const operator: Actor = { accountId: null, name: 'the operator' }

export function actorOf(request: FastifyRequest): Actor {
  return { ...actorBy(request.identity), ip: sentFrom(request), requestId: request.id }
}

export function actorBy(identity: Identity): Actor {
  if (identity.kind === 'anonymous') return { accountId: null, name: 'anonymous' }
  if (identity.kind === 'account' && identity.job !== undefined) return { accountId: null, name: identity.job }
  if (identity.kind === 'account') return { accountId: identity.accountId, name: identity.login }
  return { accountId: null, name: identity.name }
}

export interface AuditEntry {
  /** What it concerns, and what was done. */
  readonly action: AuditAction
  /** The account, or the owner of the repository. */
  readonly ownerId?: AccountId | number | null
  readonly repositoryId?: RepositoryId | number | null
  /** What was acted on, as it was called then. */
  readonly target: string
  readonly details?: Readonly<Record<string, unknown>>
}

/** To be called in the transaction of the act. */
export async function audit(tx: Queries, actor: Actor, entry: AuditEntry): Promise<void> {
  const { action, ownerId = null, repositoryId = null, target, details = {} } = entry
  await tx
    .insertInto('audit')
    .values({
      action,
      actor_id: actor.accountId,
      actor: actor.name,
      owner_id: ownerId,
      repository_id: repositoryId,
      target,
      details: JSON.stringify(details),
      ip: actor.ip ?? null,
      request_id: actor.requestId ?? null,
    })
    .execute()
}
