// Takes everything out of a package, in bounded steps, so that deleting an image of a hundred thousand layers holds nobody up. docs/design/oci-keeping.md.
import { type Database, type Queries, sql } from '../../db/index.ts'
import { tagsMayGo } from './tag-rules.ts'

const batchRows = 500

/**
 * To be called before the package's row is deleted, which takes what little has come since. What it held is let go with each step; clients see the image shrink.
 * Immutable tags go, too: whoever may delete a package may change their rules.
 */
export async function emptyPackage(db: Database, packageId: number, signal?: AbortSignal): Promise<void> {
  // what names goes before what is named: nothing is ever missing of what is left
  const steps = [
    sql`delete from oci_tag where (package_id, name) in (
      select package_id, name from oci_tag where package_id = ${packageId} order by name limit ${batchRows} for update)`,
    sql`delete from oci_manifest where (package_id, digest) in (
      select package_id, digest from oci_manifest where package_id = ${packageId} order by digest limit ${batchRows} for update)`,
    sql`delete from oci_blob where (package_id, digest) in (
      select package_id, digest from oci_blob where package_id = ${packageId} order by digest limit ${batchRows} for update)`,
  ]
  for (const step of steps) {
    for (let gone = batchRows; gone === batchRows; ) {
      signal?.throwIfAborted()
      gone = await db.transaction(
        async (tx) => {
          await tagsMayGo(tx)
          const { numAffectedRows = 0n } = await step.execute(tx)
          return Number(numAffectedRows)
        },
        { mayRetry: true },
      )
    }
  }
  await dropReviews(db.queries, packageId)
}

/**
 * Reasons to look at what has gone. Never at what is there: it may have come since, and the package stays where its own deletion fails; then somebody has to look
 * (simulation, seed 1170429985).
 */
export async function dropReviews(queries: Queries, packageId: number): Promise<void> {
  await sql`
    delete from oci_review r where package_id = ${packageId}
      and not exists (select from oci_blob b where b.package_id = r.package_id and b.digest = r.digest)
      and not exists (select from oci_manifest m where m.package_id = r.package_id and m.digest = r.digest)`.execute(queries)
}
