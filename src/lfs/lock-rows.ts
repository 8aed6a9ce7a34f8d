// Locks as rows: one for each path of a repository.
import { type AccountId, type Actor, audit, fullName, type Repository, type RepositoryId } from '../access/index.ts'
import { UnavailableError } from '../base/index.ts'
import type { Database, Queries } from '../db/index.ts'
import type { LockQuery } from './format/lock.ts'

export interface Lock {
  readonly id: string
  readonly path: string
  readonly lockedAt: Date
  readonly owner: { readonly accountId: AccountId; readonly login: string }
}

/** The new lock, or the one that was there. Two at once: one of them gets it. */
export async function addLock(
  queries: Queries,
  repositoryId: RepositoryId,
  accountId: AccountId,
  path: string,
): Promise<{ readonly lock: Lock; readonly isNew: boolean }> {
  for (let tries = 0; tries < 5; tries++) {
    const made = await queries
      .insertInto('lfs_lock')
      .values({ repository_id: repositoryId, account_id: accountId, path })
      .onConflict((conflict) => conflict.doNothing())
      .returning('id')
      .executeTakeFirst()
    const [lock] = await findLocks(queries, repositoryId, { path, id: null, after: null, limit: 1 })
    // gone: it was unlocked between the two
    if (lock) return { lock, isNew: lock.id === made?.id }
  }
  throw new UnavailableError('lock', 'a lock came and went all the time')
}

/** In the order of their paths. */
export async function findLocks(queries: Queries, repositoryId: RepositoryId, query: LockQuery): Promise<Lock[]> {
  const { path, id, after, limit } = query
  if (id !== null && !isUuid(id)) return []
  const rows = await lockRows(queries, repositoryId)
    .$if(path !== null, (rows) => rows.where('lfs_lock.path', '=', path as string))
    .$if(id !== null, (rows) => rows.where('lfs_lock.id', '=', id as string))
    .$if(after !== null, (rows) => rows.where('lfs_lock.path', '>', after as string))
    .orderBy('lfs_lock.path')
    .limit(limit)
    .execute()
  return rows.map((row) => ({
    id: row.id,
    path: row.path,
    lockedAt: row.locked_at,
    owner: { accountId: row.account_id as AccountId, login: row.login },
  }))
}

/** The lock that is gone now; 'foreign' when it is another account's and isn't to be broken; null when there is none. */
export async function removeLock(
  db: Database,
  repository: Repository,
  id: string,
  { accountId, isForced, actor }: { readonly accountId: AccountId; readonly isForced: boolean; readonly actor: Actor },
): Promise<Lock | 'foreign' | null> {
  return db.transaction(async (tx) => {
    const { id: repositoryId, ownerId } = repository
    const [lock] = await findLocks(tx, repositoryId, { id, path: null, after: null, limit: 1 })
    if (!lock) return null
    const isForeign = lock.owner.accountId !== accountId
    if (!isForced && isForeign) return 'foreign'
    const { numDeletedRows } = await tx
      .deleteFrom('lfs_lock')
      .where('repository_id', '=', repositoryId)
      .where('id', '=', id)
      .executeTakeFirst()
    if (numDeletedRows !== 1n) return null
    const details = { path: lock.path, login: lock.owner.login }
    if (isForeign) await audit(tx, actor, { action: 'lfs-lock.break', ownerId, repositoryId, target: fullName(repository), details })
    return lock
  })
}

function lockRows(queries: Queries, repositoryId: RepositoryId) {
  return queries
    .selectFrom('lfs_lock')
    .innerJoin('account', 'account.id', 'lfs_lock.account_id')
    .select(['lfs_lock.id', 'lfs_lock.path', 'lfs_lock.locked_at', 'lfs_lock.account_id', 'account.login'])
    .where('lfs_lock.repository_id', '=', repositoryId)
}

function isUuid(text: string): boolean {
  return /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)
}
