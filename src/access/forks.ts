// Forks: repositories of one network, which share objects and nothing else. What a network's other repositories hold is no one's to take by
// knowing its id; the git room sees to that wherever `network.is_shared` says so.
import { InputError } from '../base/index.ts'
import { type Database, type PageRequest, type Queries, readPage, sql, type Tx } from '../db/index.ts'
import { type Actor, audit, operator } from './audit.ts'
import type { AccountId, Identity, NetworkId, RepositoryId } from './identity.ts'
import type { Visibility } from './may.ts'
import { assertRepositoryName } from './names.ts'
import { chargeOwner } from './quotas.ts'
import { mayRead, readableBy } from './readable.ts'
import { fullName, nameTaken, tell } from './repositories.ts'
import { type Repository, repositoryOf, type RepositorySettings, repositoryRows, sameName } from './repository-rows.ts'

export interface NewFork {
  readonly sourceId: RepositoryId
  readonly ownerId: AccountId
  readonly name: string
  /** As the source's without it; no fork is shown to more than its source. */
  readonly visibility?: Visibility
  /** Whether the fork gets that ref, of a source with that HEAD: hidden ones and those of the host's own are not for it. */
  readonly takesRef: (name: string, head: string) => boolean
  readonly actor?: Actor
}

/**
 * A fork: a new repository in the source's network with the source's refs as they are now, in time that goes with their number. No object is
 * copied. Null when the source is gone. Permission to read the source is the caller's business.
 * InputError `bad-repository-name`, or `repository-exists` as `createRepository`; `quota-exceeded` for the LFS objects that it would have.
 */
export async function forkRepository(db: Database, options: NewFork): Promise<Repository | null> {
  const { sourceId, ownerId, name, visibility, takesRef, actor = operator } = options
  assertRepositoryName(name)
  const fork = async (tx: Tx) => {
    // a push to the source waits, or the fork does: the refs are of one moment
    const source = await tx
      .selectFrom('repository')
      .select(['network_id', 'visibility', 'description', 'head', 'settings'])
      .where('id', '=', sourceId)
      .forUpdate()
      .executeTakeFirst()
    if (!source) return null
    await chargeLfs(tx, sourceId, ownerId)
    await tx.updateTable('network').set({ is_shared: true }).where('id', '=', source.network_id).execute()
    const { id } = await tx
      .insertInto('repository')
      .values({
        owner_id: ownerId,
        network_id: source.network_id,
        parent_id: sourceId,
        name,
        description: source.description,
        head: source.head,
        settings: JSON.stringify(inherited(source.settings as RepositorySettings)),
        visibility: narrower(source.visibility as Visibility, visibility),
      })
      .returning('id')
      .executeTakeFirstOrThrow()
    const refs = await tx.selectFrom('ref').select('name').where('repository_id', '=', sourceId).execute()
    const taken = refs.map((ref) => ref.name).filter((ref) => takesRef(ref, source.head))
    await sql`
      insert into ref (repository_id, name, oid, peeled)
      select ${id}, name, oid, peeled from ref where repository_id = ${sourceId} and name = any(${taken}::text[])`.execute(tx)
    await copyLfsObjects(tx, sourceId, id)
    await tell(tx, 'repository.forked', id, { account: actor.accountId, name, ownerId, sourceId, refs: taken.length })
    const made = repositoryOf(await repositoryRows(tx).where('repository.id', '=', id).executeTakeFirstOrThrow())
    await audit(tx, actor, { action: 'repository.fork', ownerId, repositoryId: id, target: fullName(made), details: { sourceId } })
    return made
  }
  try {
    return await db.transaction(fork, { mayRetry: true })
  } catch (error) {
    throw error instanceof InputError ? error : nameTaken(error)
  }
}

/** No fork is shown to more than its source. */
function narrower(source: Visibility, wanted: Visibility | undefined): Visibility {
  const order: readonly Visibility[] = ['public', 'internal', 'private']
  return order[Math.max(order.indexOf(source), order.indexOf(wanted ?? source))] as Visibility
}

/** Each repository's LFS objects are its owner's to answer for; of Git's objects a fork brings none. */
async function chargeLfs(tx: Tx, sourceId: RepositoryId, ownerId: AccountId): Promise<void> {
  const { rows } = await sql<{ bytes: number }>`
    select coalesce(sum(size_bytes), 0)::bigint as bytes from lfs_object where repository_id = ${sourceId}`.execute(tx)
  await chargeOwner(tx, ownerId, rows[0]?.bytes ?? 0)
}

/** The fork has the source's LFS objects as it has its refs: whoever forks may read them. Each row holds its content (docs/design/lfs.md). */
async function copyLfsObjects(tx: Queries, sourceId: RepositoryId, id: number): Promise<void> {
  await sql`
    with taken as (
      insert into lfs_object (repository_id, oid, size_bytes)
      select ${id}::bigint, oid, size_bytes from lfs_object where repository_id = ${sourceId} returning repository_id, oid)
    insert into content_reference (kind, id, digest) select 'lfs', repository_id::text, oid from taken`.execute(tx)
}

/** Of a source that is cut off, the fork is, too: what isn't there is in none of them. Everything else is the source's own affair. */
function inherited(settings: RepositorySettings): RepositorySettings {
  const shallow = settings['stemma.shallow']
  return shallow ? { 'stemma.shallow': shallow } : {}
}

export interface ForkPage extends PageRequest {
  readonly direction: 'asc' | 'desc'
}

/** One page of what was forked from that repository and the caller may read, by the time when it was; and how many there are in all. */
export async function listForks(
  queries: Queries,
  identity: Identity,
  parentId: RepositoryId,
  { direction, ...wanted }: ForkPage,
): Promise<{ forks: Repository[]; total: number }> {
  const rows = repositoryRows(queries, identity).where('repository.parent_id', '=', parentId).where(readableBy(identity))
  const order = (all: typeof rows) => all.orderBy('repository.created_at', direction).orderBy('repository.id', direction)
  const { found, total } = await readPage(rows, order, wanted)
  return { forks: found.map(repositoryOf).filter((fork) => mayRead(identity, fork)), total }
}

/** The first fork of that repository in the account, of that name if one is given; null when there is none. */
export async function findFork(queries: Queries, parentId: RepositoryId, ownerId: AccountId, name?: string): Promise<Repository | null> {
  const row = await repositoryRows(queries)
    .where('repository.parent_id', '=', parentId)
    .where('repository.owner_id', '=', ownerId)
    .$if(name !== undefined, (query) => query.where(sameName((name as string).toLowerCase())))
    .orderBy('repository.id')
    .executeTakeFirst()
  return row ? repositoryOf(row) : null
}

/**
 * Other repositories of the network that the caller may read: what the repository was forked from first, then those that were pushed to last.
 * @param most how many at most
 */
export async function readableSiblings(
  queries: Queries,
  identity: Identity,
  repository: { readonly id: RepositoryId; readonly networkId: NetworkId },
  most: number,
): Promise<Repository[]> {
  const rows = await repositoryRows(queries, identity)
    .where('repository.network_id', '=', repository.networkId)
    .where('repository.id', '!=', repository.id)
    .where(readableBy(identity))
    .orderBy(sql`repository.id = (select parent_id from repository where id = ${repository.id})`, (order) => order.desc().nullsLast())
    .orderBy('repository.pushed_at', (order) => order.desc().nullsLast())
    .orderBy('repository.id')
    .limit(most)
    .execute()
  // the query narrows, `may` decides
  return rows.map(repositoryOf).filter((sibling) => mayRead(identity, sibling))
}
