// Deleting a repository: its refs and reflog go with it; its network's packs too when no other repository shares them. Rows go at once, in
// one transaction; bucket keys are queued in key_deletion and leave later, when no clone that began before can still be reading them.
import { type Database, sql, type Tx } from '../db/index.ts'
import { type Actor, audit, operator } from './audit.ts'
import type { AccountId, RepositoryId } from './identity.ts'
import { tell } from './repositories.ts'

/** Longer than any one clone is expected to read: a running one ends in peace. */
const keyGrace = sql<Date>`now() + interval '6 hours'`

/**
 * False when it was gone already. Locks repository, then network: a push that has inserted a pack is waited for, one that comes later finds
 * no network. Whoever takes both locks must take them in this order.
 */
export async function deleteRepository(db: Database, id: RepositoryId, actor: Actor = operator): Promise<boolean> {
  return db.transaction(
    async (tx) => {
      const row = await tx
        .selectFrom('repository')
        .innerJoin('account', 'account.id', 'repository.owner_id')
        .innerJoin('network', 'network.id', 'repository.network_id')
        .select(['repository.network_id', 'repository.name', 'repository.owner_id', 'account.login', 'network.is_shared'])
        .where('repository.id', '=', id)
        .forUpdate('repository')
        .executeTakeFirst()
      if (!row) return false
      if (row.is_shared) await keepForGrace(tx, id, row.network_id)
      await tx.deleteFrom('repository').where('id', '=', id).execute()
      await tell(tx, 'repository.deleted', id, { account: actor.accountId, ownerId: row.owner_id, owner: row.login, name: row.name })
      const target = `${row.login}/${row.name}`
      await audit(tx, actor, { action: 'repository.delete', ownerId: row.owner_id as AccountId, repositoryId: id, target })
      await tx.selectFrom('network').select('id').where('id', '=', row.network_id).forUpdate().executeTakeFirst()
      const sibling = await tx.selectFrom('repository').select('id').where('network_id', '=', row.network_id).limit(1).executeTakeFirst()
      if (sibling) return true
      await tx
        .insertInto('key_deletion')
        .columns(['key', 'not_before'])
        .expression(
          tx
            .selectFrom('pack')
            .select((select) => [select.ref('pack.key').$notNull().as('key'), keyGrace.as('not_before')])
            .where('network_id', '=', row.network_id)
            .where('key', 'is not', null)
            .unionAll(
              tx
                .selectFrom('history')
                .select(['history.key', keyGrace.as('not_before')])
                .where('network_id', '=', row.network_id),
            )
            .unionAll(
              tx
                .selectFrom('path_table')
                .select(['path_table.key', keyGrace.as('not_before')])
                .where('network_id', '=', row.network_id),
            ),
        )
        .onConflict((conflict) => conflict.doNothing())
        .execute()
      await tx.deleteFrom('network').where('id', '=', row.network_id).execute()
      return true
    },
    { mayRetry: true },
  )
}

/**
 * What its refs and its reflog keep stays for the time of grace as if they were still there (docs/design/gc.md), but for what another repository's ref is at:
 * when that moves, its own reflog tells of it.
 */
async function keepForGrace(tx: Tx, id: RepositoryId, networkId: string): Promise<void> {
  await sql`
    with past as (
      select oid, now() as at from ref where repository_id = ${id}
      union all select decode(head, 'hex'), now() from repository where id = ${id} and head ~ '^([0-9a-f]{40}|[0-9a-f]{64})$'
      union all select old_oid, at from reflog where repository_id = ${id} and old_oid is not null),
    others as (select r.oid from ref r join repository o on o.id = r.repository_id where o.network_id = ${networkId} and o.id <> ${id})
    insert into past_root (network_id, oid, at)
    select ${networkId}::uuid, oid, max(at) from past where not exists (select from others where others.oid = past.oid) group by oid
    on conflict (network_id, oid) do update set at = greatest(past_root.at, excluded.at)`.execute(tx)
}
