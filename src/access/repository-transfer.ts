// A repository goes to another owner: with its collaborators and tokens, in its network. It answers under its new name only.
import { type Database, sql } from '../db/index.ts'
import { type Actor, audit } from './audit.ts'
import type { AccountId, RepositoryId } from './identity.ts'
import { assertRepositoryName } from './names.ts'
import { fullName, nameTaken, tell } from './repositories.ts'
import { type Repository, repositoryOf, repositoryRows } from './repository-rows.ts'

export interface Transfer {
  readonly ownerId: AccountId
  /** What it is called there; as it is without it. */
  readonly name?: string
  readonly actor: Actor
}

/**
 * Null when it is gone. Whether the actor may make repositories there is the caller's business. The new owner is no collaborator any more.
 * InputError `bad-repository-name`, `repository-exists`.
 */
export async function transferRepository(db: Database, id: RepositoryId, { ownerId, name, actor }: Transfer): Promise<Repository | null> {
  if (name !== undefined) assertRepositoryName(name)
  const transfer = db.transaction(
    async (tx) => {
      const row = await repositoryRows(tx).where('repository.id', '=', id).forUpdate('repository').executeTakeFirst()
      if (row === undefined) return null
      const before = repositoryOf(row)
      await tx
        .updateTable('repository')
        .set({ owner_id: ownerId, name: name ?? before.name, updated_at: sql<Date>`now()` })
        .where('id', '=', id)
        .execute()
      // what the old owner published stays his
      if (ownerId !== before.ownerId) await tx.updateTable('package').set({ repository_id: null }).where('repository_id', '=', id).execute()
      await tx.deleteFrom('collaborator').where('repository_id', '=', id).where('account_id', '=', ownerId).execute()
      const after = repositoryOf(await repositoryRows(tx).where('repository.id', '=', id).executeTakeFirstOrThrow())
      const details = { from: fullName(before), to: fullName(after) }
      for (const [owner, target] of [
        [before.ownerId, fullName(before)],
        [after.ownerId, fullName(after)],
      ] as const) {
        await audit(tx, actor, { action: 'repository.transfer', ownerId: owner, repositoryId: id, target, details })
        if (before.ownerId === after.ownerId) break
      }
      await tell(tx, 'repository.transferred', id, {
        account: actor.accountId,
        ...details,
        oldOwnerId: before.ownerId,
        ownerId: after.ownerId,
      })
      return after
    },
    { mayRetry: true },
  )
  return transfer.catch((error: unknown) => {
    throw nameTaken(error)
  })
}
