// Takes everything out of a package, in bounded steps, so that deleting an image of a hundred thousand layers holds nobody up. docs/design/oci-keeping.md.
import { type Database, type Queries, type RawBuilder, sql } from '../../db/index.ts'
import { tagsMayGo } from './tag-rules.ts'

const batchRows = 500

/**
 * To be called before the package's row is deleted, which takes what little has come since. What it held is let go with each step; clients see the image shrink.
 * Immutable tags go, too: whoever may delete a package may change their rules. What is pushed meanwhile stays with all that it names until the row goes: where that
 * fails, the image is smaller, and whole (simulation, seed 686725285).
 */
export async function emptyPackage(db: Database, packageId: number, signal?: AbortSignal): Promise<void> {
  await emptyTable(db, packageId, 'oci_tag', signal)
  // an index goes in one pass, what only it named in the next
  for (let gone = 1; gone > 0; ) gone = await emptyTable(db, packageId, 'oci_manifest', signal)
  await emptyTable(db, packageId, 'oci_blob', signal)
  await dropReviews(db.queries, packageId)
}

const tables = {
  oci_tag: { key: sql.ref('name'), first: sql`''`, array: sql`text[]`, isNamed: sql`false` },
  oci_manifest: { key: sql.ref('digest'), first: sql`''::bytea`, array: sql`bytea[]`, isNamed: isNamedAs(sql`p.kind = 'manifest'`) },
  oci_blob: { key: sql.ref('digest'), first: sql`''::bytea`, array: sql`bytea[]`, isNamed: isNamedAs(sql`p.kind <> 'manifest'`) },
}

function isNamedAs(kind: RawBuilder<unknown>) {
  return sql`exists (select from oci_manifest_part p where p.package_id = t.package_id and p.digest = t.digest and ${kind})`
}

/** One pass over the package's rows, in order: those that no manifest names go. How many. */
async function emptyTable(db: Database, packageId: number, name: keyof typeof tables, signal?: AbortSignal): Promise<number> {
  const { key, first, array, isNamed } = tables[name]
  const table = sql.table(name)
  let gone = 0
  for (let after: unknown = null; ; ) {
    signal?.throwIfAborted()
    const step = await db.transaction(
      async (tx) => {
        await tagsMayGo(tx)
        // Locked first: a push of what names a row has then ended, and is seen by the next statement, or finds no such row.
        const { rows } = await sql<{ key: unknown }>`
          select ${key} as key from ${table} where package_id = ${packageId} and ${key} > ${after === null ? first : after}
          order by ${key} limit ${batchRows} for update`.execute(tx)
        const keys = rows.map((row) => row.key)
        if (keys.length === 0) return { keys, gone: 0 }
        const { numAffectedRows = 0n } =
          await sql`delete from ${table} t where package_id = ${packageId} and ${key} = any(${keys}::${array}) and not ${isNamed}`.execute(
            tx,
          )
        return { keys, gone: Number(numAffectedRows) }
      },
      { mayRetry: true },
    )
    gone += step.gone
    if (step.keys.length < batchRows) return gone
    after = step.keys.at(-1)
  }
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
