// Repositories made and changed. What happens is told in the outbox and in the audit, in the same transaction. Deleting stands in repository-deletion.ts.
import { InputError } from '../base/index.ts'
import { type Database, type Queries, sql, sqlState } from '../db/index.ts'
import { type Actor, audit, operator } from './audit.ts'
import type { AccountId, RepositoryId } from './identity.ts'
import type { Visibility } from './may.ts'
import { assertRepositoryName } from './names.ts'
import { type Repository, repositoryOf, repositoryRows, type RepositorySettings } from './repository-rows.ts'

export interface NewRepository {
  readonly ownerId: AccountId
  readonly name: string
  readonly visibility: Visibility
  readonly description?: string | null
  readonly objectFormat?: 'sha1' | 'sha256'
  /** A fresh UUID for its network; one is chosen without it. */
  readonly networkId?: string
  /** A full ref name; `refs/heads/main` without it. */
  readonly head?: string
  /** Who makes it; the operator when left out. */
  readonly actor?: Actor
}

/**
 * A new, empty repository in a network of its own. InputError `bad-repository-name`, or `repository-exists` when the owner has one of that
 * name (also when it was made a moment ago: whoever creates on push then uses that one).
 */
export async function createRepository(db: Database, options: NewRepository): Promise<Repository> {
  assertRepositoryName(options.name)
  const { name, ownerId, visibility, description = null, objectFormat = 'sha1', head = 'refs/heads/main' } = options
  const row = { object_format: objectFormat, ...(options.networkId === undefined ? {} : { id: options.networkId }) }
  const create = async (tx: Queries) => {
    const network = await tx.insertInto('network').values(row).returning('id').executeTakeFirstOrThrow()
    const { id } = await tx
      .insertInto('repository')
      .values({ owner_id: ownerId, network_id: network.id, name, visibility, description, head })
      .returning('id')
      .executeTakeFirstOrThrow()
    const { actor = operator } = options
    await tell(tx, 'repository.created', id, { account: actor.accountId, name, ownerId, visibility, objectFormat })
    const made = repositoryOf(await repositoryRows(tx).where('repository.id', '=', id).executeTakeFirstOrThrow())
    const entry = { ownerId, repositoryId: id, target: fullName(made), details: { visibility } }
    await audit(tx, actor, { action: 'repository.create', ...entry })
    return made
  }
  try {
    return await db.transaction(create, { mayRetry: true })
  } catch (error) {
    throw nameTaken(error)
  }
}

export interface RepositoryChange {
  readonly name?: string
  readonly description?: string | null
  readonly visibility?: Visibility
  /** The new HEAD: a full ref name of a branch that exists. */
  readonly head?: string
  /** Git's settings anew, from what they are. What it throws ends the change. */
  readonly settings?: (present: RepositorySettings) => RepositorySettings
}

export function fullName({ ownerLogin, name }: Repository): string {
  return `${ownerLogin}/${name}`
}

/**
 * Changes a repository; null when it is gone. InputError `bad-repository-name`, `repository-exists`, or `no-such-branch` when the new HEAD
 * doesn't exist.
 */
export async function updateRepository(
  db: Database,
  id: RepositoryId,
  change: RepositoryChange,
  actor: Actor = operator,
): Promise<Repository | null> {
  if (change.name !== undefined) assertRepositoryName(change.name)
  const update = async (tx: Queries) => {
    const before = await tx
      .selectFrom('repository')
      .select(['head', 'name', 'description', 'visibility', 'settings', 'parent_id'])
      .where('id', '=', id)
      .forUpdate()
      .executeTakeFirst()
    if (!before) return null
    const { settings: changeSettings, ...plain } = change
    const settings = changeSettings?.(before.settings as RepositorySettings)
    const newHead = plain.head === before.head ? undefined : plain.head
    if (newHead !== undefined) await assertBranch(tx, id, newHead)
    if (plain.visibility !== undefined && isWider(plain.visibility, before.visibility as Visibility)) {
      await assertNotWiderThan(tx, before.parent_id, plain.visibility)
    }
    const isViewNew = newHead !== undefined || settings !== undefined // hidden refs are among the settings
    await tx
      .updateTable('repository')
      .set({ ...plain, ...(settings === undefined ? {} : { settings: JSON.stringify(settings) }), updated_at: sql<Date>`now()` })
      .$if(isViewNew, (query) => query.set((set) => ({ refs_version: set('refs_version', '+', 1) })))
      .where('id', '=', id)
      .execute()
    // names alone: among the values are secrets, and the outbox is read by whoever is told of things
    const keys = settings === undefined ? null : changedKeys(before.settings as RepositorySettings, settings).join(' ')
    await tell(tx, 'repository.updated', id, {
      account: actor.accountId,
      ...plain,
      settings: keys,
      oldName: before.name,
      oldDescription: before.description,
      oldVisibility: before.visibility,
      oldHead: before.head,
    })
    const after = repositoryOf(await repositoryRows(tx).where('repository.id', '=', id).executeTakeFirstOrThrow())
    const details = { ...plain, ...(keys === null ? {} : { settings: keys }), oldName: before.name, oldVisibility: before.visibility }
    await audit(tx, actor, { action: 'repository.change', ownerId: after.ownerId, repositoryId: id, target: fullName(after), details })
    return after
  }
  try {
    return await db.transaction(update, { mayRetry: true })
  } catch (error) {
    throw nameTaken(error)
  }
}

/** Whether more see what has that visibility. */
function isWider(one: Visibility, other: Visibility): boolean {
  const order: readonly Visibility[] = ['private', 'internal', 'public']
  return order.indexOf(one) > order.indexOf(other)
}

/** Who may read a repository may fork it, and decides by that alone not who else reads what is in it. */
async function assertNotWiderThan(tx: Queries, parentId: number | null, visibility: Visibility): Promise<void> {
  if (parentId === null) return
  const parent = await tx.selectFrom('repository').select('visibility').where('id', '=', parentId).executeTakeFirst()
  if (parent === undefined || !isWider(visibility, parent.visibility as Visibility)) return
  throw new InputError('wider-than-source', 'A fork is shown to nobody whom the repository that it was forked from isn’t shown to')
}

function changedKeys(before: RepositorySettings, after: RepositorySettings): string[] {
  const keys = new Set([...Object.keys(before), ...Object.keys(after)])
  return [...keys].filter((key) => JSON.stringify(before[key]) !== JSON.stringify(after[key])).sort()
}

async function assertBranch(tx: Queries, id: RepositoryId, ref: string): Promise<void> {
  const row = await tx.selectFrom('ref').select('name').where('repository_id', '=', id).where('name', '=', ref).executeTakeFirst()
  if (!row) throw new InputError('no-such-branch', `The branch ${ref.replace('refs/heads/', '')} does not exist`)
}

export function nameTaken(error: unknown): unknown {
  if (sqlState(error) !== '23505') return error
  return new InputError('repository-exists', 'name already exists on this account', { cause: error })
}

/** A row for the rooms above, in the transaction of the act. */
export async function tell(
  tx: Queries,
  kind: string,
  repositoryId: number,
  payload: Record<string, string | number | null>,
): Promise<void> {
  await tx
    .insertInto('outbox')
    .values({ kind, repository_id: repositoryId, payload: JSON.stringify(payload) })
    .execute()
}
