// Images that a first push made and never filled, as one that a quota refused: they go a lease after they were made, so that no list shows them for ever.
// docs/design/oci-keeping.md, Collection.
import { deletePackageIn, type PackageId } from '../../access/index.ts'
import { type Database, sql, type Tx } from '../../db/index.ts'
import type { Job } from '../../jobs/index.ts'

const batchRows = 100

/** Over a row of `package`: there is nothing in it, nor under way to it, and nobody has said anything of it. What is an upstream's goes with what it caches. */
const isUnfilled = sql<boolean>`(
  package.format = 'oci' and package.upstream_id is null and package.updated_at = package.created_at
  and not exists (select from oci_manifest m where m.package_id = package.id)
  and not exists (select from oci_blob b where b.package_id = package.id)
  and not exists (select from content_upload u where u.scope = 'oci/' || package.id)
  and not exists (select from oci_tag_rule r where r.package_id = package.id)
  and not exists (select from oci_retention r where r.package_id = package.id))`

/** How many went. */
export async function removeUnfilled(db: Database, leaseMs: number, signal?: AbortSignal): Promise<number> {
  for (let [total, after] = [0, 0]; ; ) {
    signal?.throwIfAborted()
    const { looked, gone } = await db.transaction((tx) => step(tx, leaseMs, after), { mayRetry: true })
    total += gone
    const last = looked.at(-1)
    if (last === undefined) return total
    after = last
  }
}

/** The next of them, behind that one. */
async function step(tx: Tx, leaseMs: number, after: number): Promise<{ readonly looked: readonly PackageId[]; readonly gone: number }> {
  const { rows } = await sql<{ id: PackageId }>`
    select id from package where id > ${after} and created_at <= now() - ${leaseMs} * interval '1 millisecond' and ${isUnfilled}
    order by id limit ${batchRows} for update skip locked`.execute(tx)
  const looked = rows.map(({ id }) => id)
  // looked at again under the lock: what a push has put in meanwhile is seen, and what comes later waits, and finds no such package
  const { rows: free } = await sql<{ id: PackageId }>`
    select id from package where id = any(${looked}::bigint[]) and ${isUnfilled} order by id`.execute(tx)
  let gone = 0
  for (const { id } of free) if (await deletePackageIn(tx, id, { accountId: null, name: 'collection' })) gone++
  return { looked, gone }
}

/** As leased work of one node. */
export function unfilledJob(db: Database, leaseMs: number): Job {
  return { kind: 'collect-unfilled', intervalMs: 3600_000, run: async (signal) => void (await removeUnfilled(db, leaseMs, signal)) }
}
