// Blobs hold their content: again, when the content store's rows were made again out of the bucket.
import { type Queries, sql } from '../../db/index.ts'
import { ociReferences } from './references.ts'

const batchRows = 1000

/** References of rows that lack theirs, where the content is there. How many. */
export async function holdBlobs(queries: Queries): Promise<number> {
  let held = 0
  let after = { id: 0, digest: new Uint8Array() as Uint8Array }
  for (;;) {
    const { rows } = await sql<{ id: number; digest: Buffer; made: number }>`
      with batch as materialized (
        select package_id, digest, content from oci_blob where (package_id, digest) > (${after.id}::bigint, ${after.digest}::bytea)
        order by package_id, digest limit ${batchRows} for key share),
      there as (
        select b.package_id, c.digest from content c join (select distinct package_id, content from batch) b on c.digest = b.content
        where not exists (select from content_reference f where f.kind = ${ociReferences} and f.id = b.package_id::text and f.digest = b.content)
        for key share of c),
      made as (
        insert into content_reference (kind, id, digest) select ${ociReferences}, package_id::text, digest from there
        on conflict do nothing returning 1)
      select package_id::float8 as id, digest, (select count(*) from made)::float8 as made from batch order by package_id desc, digest desc limit 1`.execute(
      queries,
    )
    const last = rows[0]
    if (last === undefined) return held
    held += last.made
    after = { id: last.id, digest: last.digest }
  }
}
