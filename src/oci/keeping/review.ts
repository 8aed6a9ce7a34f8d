// Collection of the registry, beside everything else: what `oci_review` names is looked at, and goes when nothing needs it. docs/design/oci-keeping.md says why
// nothing goes that is needed. Each step is one bounded transaction that may be done twice, by two nodes at once, or never: then the next run does it.
// Invariant: it waits for nobody's lock while it holds any. What somebody else has locked at the moment is looked at a second later.
import type { Log } from '../../base/index.ts'
import { type Database, type Queries, sql, type Tx } from '../../db/index.ts'
import type { Job } from '../../jobs/index.ts'
import { manifestLeaseBegan } from './leases.ts'
import { removeLeft } from './left.ts'
import { isManifestKept } from './references.ts'

export interface CollectionSettings {
  /** A blob goes so long after the last manifest that named it, at the earliest. */
  readonly delayMs: number
  /** How long what was brought, or told to be there, stays though nothing names it. */
  readonly leaseMs: number
  /** A manifest goes so long after its last tag, and the last index that named it; null: never by itself. */
  readonly untaggedMs: number | null
}

export interface Collected {
  readonly manifests: number
  readonly blobs: number
}

/** A blob or a manifest of a package. */
interface Item {
  readonly packageId: number
  readonly digest: Uint8Array
}

interface Locked extends Item {
  /** When nobody relies on it any more; by the database's clock. */
  readonly leasedUntil: Date
  readonly isLeased: boolean
}

/** What is asked of one kind of things. */
interface Matter {
  readonly kind: 'blob' | 'manifest' | 'left'
  readonly delayMs: number
  /** Those of the items that are there, and that nobody else has locked. */
  readonly lock: (tx: Tx, items: Items) => Promise<readonly Locked[]>
  /** Those of the items that are there. */
  readonly find: (tx: Tx, items: Items) => Promise<readonly Item[]>
  /** Those of the items that something needs. */
  readonly needed: (tx: Tx, items: Items) => Promise<readonly Item[]>
  readonly remove: (tx: Tx, items: Items) => Promise<void>
}

const batchRows = 200
const busyMs = 1000

/** One pass over everything that is due: manifests, then blobs, for the ones give the others free. Stops between batches when the signal says so. */
export async function collect(db: Database, settings: CollectionSettings, signal?: AbortSignal): Promise<Collected> {
  const gone = { manifests: 0, blobs: 0 }
  const all = async (matter: Matter): Promise<number> => {
    for (let total = 0; ; ) {
      signal?.throwIfAborted()
      const { looked, removed } = await db.transaction((tx) => look(tx, matter), { mayRetry: true })
      total += removed
      // what went may have freed more of the same kind: an index its manifests
      if (looked < batchRows && removed === 0) return total
    }
  }
  gone.manifests = await all(left(settings.leaseMs))
  if (settings.untaggedMs !== null) gone.manifests += await all(manifests(settings.untaggedMs, settings.leaseMs))
  gone.blobs = await all(blobs(settings.delayMs))
  return gone
}

/** The same as leased work. */
export function collectionJob({ db, log }: { readonly db: Database; readonly log: Log }, settings: CollectionSettings): Job {
  return {
    kind: 'collect-oci',
    intervalMs: 1000,
    work: () => {
      const isDue = (kind: string, delayMs: number) =>
        sql`exists (select from oci_review where kind = ${kind} and noted_at <= now() - ${delayMs} * interval '1 millisecond')`
      const { delayMs, untaggedMs } = settings
      const always = sql`${isDue('blob', delayMs)} or ${isDue('left', 0)}`
      return untaggedMs === null ? sql`(${always})` : sql`(${always} or ${isDue('manifest', untaggedMs)})`
    },
    run: async (signal) => {
      const gone = await collect(db, settings, signal)
      if (gone.blobs + gone.manifests > 0) log.info(gone, 'collected what no image needs')
    },
  }
}

/** How many things were looked at, and how many of them went. */
async function look(tx: Tx, matter: Matter): Promise<{ readonly looked: number; readonly removed: number }> {
  const { rows: due } = await sql<Item & { id: number }>`
    select id, package_id as "packageId", digest from oci_review
    where kind = ${matter.kind} and noted_at <= now() - ${matter.delayMs} * interval '1 millisecond'
    order by noted_at limit ${batchRows} for update skip locked`.execute(tx)
  if (due.length === 0) return { looked: 0, removed: 0 }
  const items = new Items(due)
  // locked first, looked at afterwards: whoever names it in the meantime is seen, or finds it gone
  const locked = await matter.lock(tx, items)
  const there = new Items(locked)
  const needed = new Items(await matter.needed(tx, there))
  const free = locked.filter((item) => !needed.has(item))
  const dead = free.filter((item) => !item.isLeased)
  if (dead.length > 0) await matter.remove(tx, new Items(dead))
  const busy = (await matter.find(tx, items)).filter((item) => !there.has(item))
  await lookAgain(tx, matter.delayMs, due, [
    ...free.filter((item) => item.isLeased).map((item) => ({ item, at: sql`${item.leasedUntil}::timestamptz` })),
    ...busy.map((item) => ({ item, at: sql`now() + ${busyMs} * interval '1 millisecond'` })),
  ])
  return { looked: due.length, removed: dead.length }
}

/** Those rows are done with, but for those items: they are looked at again, at that time. */
async function lookAgain(
  tx: Tx,
  delayMs: number,
  due: readonly (Item & { readonly id: number })[],
  again: readonly { readonly item: Item; readonly at: ReturnType<typeof sql> }[],
): Promise<void> {
  const idOf = new Map(due.map((row) => [keyOf(row), row.id]))
  const kept: number[] = []
  for (const { item, at } of again) {
    const id = idOf.get(keyOf(item)) as number
    kept.push(id)
    await sql`update oci_review set noted_at = ${at} - ${delayMs} * interval '1 millisecond' where id = ${id}`.execute(tx)
  }
  const done = due.map(({ id }) => id)
  await sql`delete from oci_review where id = any(${done}::bigint[]) and id <> all(${kept}::bigint[])`.execute(tx)
}

function blobs(delayMs: number): Matter {
  return {
    kind: 'blob',
    delayMs,
    // content's rows before the blobs', as uploads and mounts take them
    lock: async (tx, items) => {
      const { rows: contents } = await sql<{ digest: Uint8Array }>`
        select digest from content where digest in (select content from oci_blob where (package_id, digest) in (${items.list}))
        order by digest for update skip locked`.execute(tx)
      const free = contents.map(({ digest }) => digest)
      const { rows } = await sql<Locked>`
        select package_id as "packageId", digest, leased_until as "leasedUntil", leased_until > now() as "isLeased" from oci_blob
        where (package_id, digest) in (${items.list})
          and (content = any(${free}::bytea[]) or not exists (select from content c where c.digest = oci_blob.content))
        order by package_id, digest for update skip locked`.execute(tx)
      return rows
    },
    find: (tx, items) => present(tx, 'oci_blob', items),
    needed: async (tx, items) => {
      const { rows } = await sql<Item>`
        select distinct package_id as "packageId", digest from oci_manifest_part
        where (package_id, digest) in (${items.list}) and kind <> 'manifest'`.execute(tx)
      return rows
    },
    remove: async (tx, items) => {
      await sql`delete from oci_blob where (package_id, digest) in (${items.list})`.execute(tx)
    },
  }
}

function manifests(delayMs: number, leaseMs: number): Matter {
  const leasedUntil = sql`${manifestLeaseBegan} + ${leaseMs} * interval '1 millisecond'`
  return {
    kind: 'manifest',
    delayMs,
    lock: async (tx, items) => {
      const { rows } = await sql<Locked>`
        select package_id as "packageId", digest, ${leasedUntil} as "leasedUntil", ${leasedUntil} > now() as "isLeased" from oci_manifest
        where (package_id, digest) in (${items.list}) order by package_id, digest for update skip locked`.execute(tx)
      return rows
    },
    find: (tx, items) => present(tx, 'oci_manifest', items),
    needed: async (tx, items) => {
      const { rows } = await sql<Item>`
        select package_id as "packageId", digest from oci_manifest m where (package_id, digest) in (${items.list}) and ${isManifestKept}`.execute(
        tx,
      )
      return rows
    },
    remove: async (tx, items) => {
      await sql`delete from oci_manifest where (package_id, digest) in (${items.list})`.execute(tx)
    },
  }
}

/** Manifests that retention has left: they go as soon as nobody relies on them, also where what has no tag stays. */
function left(leaseMs: number): Matter {
  return { ...manifests(0, leaseMs), kind: 'left', remove: (tx, items) => removeLeft(tx, items.all) }
}

async function present(tx: Queries, table: string, items: Items): Promise<readonly Item[]> {
  const { rows } = await sql<Item>`
    select package_id as "packageId", digest from ${sql.table(table)} where (package_id, digest) in (${items.list})`.execute(tx)
  return rows
}

/** A set of them. */
class Items {
  readonly #items: readonly Item[]
  readonly #keys: ReadonlySet<string>

  constructor(items: readonly Item[]) {
    this.#items = items
    this.#keys = new Set(items.map(keyOf))
  }

  has(item: Item): boolean {
    return this.#keys.has(keyOf(item))
  }

  get all(): readonly Item[] {
    return this.#items
  }

  /** SQL: rows of (package_id, digest). */
  get list() {
    const packages = this.#items.map(({ packageId }) => packageId)
    const digests = this.#items.map(({ digest }) => digest)
    return sql`select * from unnest(${packages}::bigint[], ${digests}::bytea[])`
  }
}

function keyOf({ packageId, digest }: Item): string {
  return `${packageId} ${Buffer.from(digest).toString('hex')}`
}
