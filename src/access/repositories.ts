// Repository rows: found, listed, created, changed. Names are told apart without regard to case. What happens is told in the outbox, in the
// same transaction. Deleting stands in repository-deletion.ts.
import { InputError } from '../base/index.ts'
import { type Database, type Queries, sql, sqlState } from '../db/index.ts'
import type { AccountId, NetworkId, RepositoryId } from './identity.ts'
import type { Visibility } from './may.ts'
import { assertRepositoryName } from './names.ts'

export interface Repository {
  readonly id: RepositoryId
  readonly networkId: NetworkId
  /** What it was forked from, while that exists. */
  readonly parentId: RepositoryId | null
  readonly ownerId: AccountId
  readonly ownerLogin: string
  readonly ownerIsAdmin: boolean
  readonly name: string
  readonly description: string | null
  readonly visibility: Visibility
  /** What HEAD points to: a full ref name. The ref may not exist. */
  readonly head: string
  readonly objectFormat: 'sha1' | 'sha256'
  /** Other repositories have objects in its network, or had. */
  readonly isShared: boolean
  /** Grows with every change of its refs, head or settings. */
  readonly refsVersion: number
  /** Of the network's packs, at the same moment: no ref of that version needs a later pack. */
  readonly packsVersion: number
  /** Git's own settings of this repository: what the git room makes of them is its business. */
  readonly settings: RepositorySettings
  readonly createdAt: Date
  readonly updatedAt: Date
  readonly pushedAt: Date | null
}

/** The repository of that owner and name, in any case; null when there is none. Permission is the caller's business. */
export async function findRepository(queries: Queries, owner: string, name: string): Promise<Repository | null> {
  const row = await repositoryRows(queries).where(sameOwner(owner.toLowerCase())).where(sameName(name.toLowerCase())).executeTakeFirst()
  return row ? repositoryOf(row) : null
}

/** The same by id. */
export async function findRepositoryById(queries: Queries, id: RepositoryId): Promise<Repository | null> {
  const row = await repositoryRows(queries).where('repository.id', '=', id).executeTakeFirst()
  return row ? repositoryOf(row) : null
}

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
    await tell(tx, 'repository.created', id, { name, ownerId, visibility, objectFormat })
    return repositoryOf(await repositoryRows(tx).where('repository.id', '=', id).executeTakeFirstOrThrow())
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

export type RepositorySettings = Readonly<Record<string, readonly string[]>>

/**
 * Changes a repository; null when it is gone. InputError `bad-repository-name`, `repository-exists`, or `no-such-branch` when the new HEAD
 * doesn't exist.
 */
export async function updateRepository(db: Database, id: RepositoryId, change: RepositoryChange): Promise<Repository | null> {
  if (change.name !== undefined) assertRepositoryName(change.name)
  const update = async (tx: Queries) => {
    const before = await tx
      .selectFrom('repository')
      .select(['head', 'name', 'settings'])
      .where('id', '=', id)
      .forUpdate()
      .executeTakeFirst()
    if (!before) return null
    const { settings: changeSettings, ...plain } = change
    const settings = changeSettings?.(before.settings as RepositorySettings)
    const newHead = plain.head === before.head ? undefined : plain.head
    if (newHead !== undefined) await assertBranch(tx, id, newHead)
    const isViewNew = newHead !== undefined || settings !== undefined // hidden refs are among the settings
    await tx
      .updateTable('repository')
      .set({ ...plain, ...(settings === undefined ? {} : { settings: JSON.stringify(settings) }), updated_at: sql<Date>`now()` })
      .$if(isViewNew, (query) => query.set((set) => ({ refs_version: set('refs_version', '+', 1) })))
      .where('id', '=', id)
      .execute()
    await tell(tx, 'repository.updated', id, {
      ...plain,
      // names alone: among the values are secrets, and the outbox is read by whoever is told of things
      settings: settings === undefined ? null : changedKeys(before.settings as RepositorySettings, settings).join(' '),
      oldName: before.name,
    })
    return repositoryOf(await repositoryRows(tx).where('repository.id', '=', id).executeTakeFirstOrThrow())
  }
  try {
    return await db.transaction(update, { mayRetry: true })
  } catch (error) {
    throw nameTaken(error)
  }
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

export const repositoryColumns = [
  ...(['repository.id', 'repository.network_id', 'repository.owner_id', 'account.login', 'account.is_admin'] as const),
  ...([
    'repository.parent_id',
    'repository.name',
    'repository.description',
    'repository.visibility',
    'repository.head',
    'network.object_format',
    'network.is_shared',
    'network.packs_version',
    'repository.settings',
  ] as const),
  ...(['repository.refs_version', 'repository.created_at', 'repository.updated_at', 'repository.pushed_at'] as const),
] as const

/** @param owner in lower case */
export function sameOwner(owner: string) {
  return sql<boolean>`lower(account.login) = ${owner}`
}

/** @param name in lower case */
export function sameName(name: string) {
  return sql<boolean>`lower(repository.name) = ${name}`
}

/** Every repository with its owner and network: the base of lists. */
export function repositoryRows(queries: Queries) {
  return queries
    .selectFrom('repository')
    .innerJoin('account', 'account.id', 'repository.owner_id')
    .innerJoin('network', 'network.id', 'repository.network_id')
    .select(repositoryColumns)
}

export type RepositoryRow = Awaited<ReturnType<ReturnType<typeof repositoryRows>['executeTakeFirstOrThrow']>>

export function repositoryOf(row: RepositoryRow): Repository {
  return {
    id: row.id as RepositoryId,
    networkId: row.network_id as NetworkId,
    parentId: row.parent_id as RepositoryId | null,
    ownerId: row.owner_id as AccountId,
    ownerLogin: row.login,
    ownerIsAdmin: row.is_admin,
    name: row.name,
    description: row.description,
    visibility: row.visibility as Visibility,
    head: row.head,
    objectFormat: row.object_format as 'sha1' | 'sha256',
    isShared: row.is_shared,
    refsVersion: row.refs_version,
    packsVersion: row.packs_version,
    settings: row.settings as RepositorySettings,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    pushedAt: row.pushed_at,
  }
}
