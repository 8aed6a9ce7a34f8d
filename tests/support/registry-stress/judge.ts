// What the database must say when nothing happens any more and all leases are over: of images exactly what tags lead to, of content exactly what images have.
import { sql, type Queries } from '../../../src/db/index.ts'

export interface Leftovers {
  readonly [what: string]: number
}

/** Numbers of what is too much or missing; all must be 0. */
export async function judge(queries: Queries): Promise<Leftovers> {
  const { rows } = await sql<Leftovers>`
    with recursive named as (
      select package_id, digest from oci_tag
      union
      select n.package_id, next.digest from named n cross join lateral (
        select p.digest from oci_manifest_part p where p.package_id = n.package_id and p.manifest = n.digest and p.kind = 'manifest'
        union all
        select m.digest from oci_manifest m where m.package_id = n.package_id and m.subject = n.digest) next),
    needed as (
      select distinct p.package_id, p.digest from oci_manifest_part p join named n on n.package_id = p.package_id and n.digest = p.manifest
      where p.kind <> 'manifest')
    select
      (select count(*)::int from named where not exists (
        select from oci_manifest m where m.package_id = named.package_id and m.digest = named.digest)) as "manifests lost",
      (select count(*)::int from needed where not exists (
        select from oci_blob b where b.package_id = needed.package_id and b.digest = needed.digest)) as "blobs lost",
      (select count(*)::int from oci_blob b where not exists (
        select from content_reference r where r.kind = 'oci' and r.id = b.package_id::text and r.digest = b.content)) as "blobs not held",
      (select count(*)::int from oci_manifest m where not exists (
        select from named n where n.package_id = m.package_id and n.digest = m.digest)) as "manifests left",
      (select count(*)::int from oci_blob b where not exists (
        select from needed n where n.package_id = b.package_id and n.digest = b.digest)) as "blobs left",
      (select count(*)::int from content_reference r where r.kind = 'oci' and not exists (
        select from oci_blob b where b.package_id::text = r.id and b.content = r.digest)) as "holds left",
      (select count(*)::int from content c where not exists (select from content_reference r where r.digest = c.digest)
        and not exists (select from content_review v where v.digest = c.digest)) as "content forgotten",
      (select count(*)::int from oci_review) as "reviews left"`.execute(queries)
  return rows[0] ?? {}
}
