// What keeps a manifest, as SQL: one answer for collection and for retention.
import { sql } from '../../db/index.ts'

/** Over a row `m` of `oci_manifest`: a tag names it, an index, or it refers to a subject that is there. To be asked under the row's lock. */
export const isManifestKept = sql<boolean>`(
  exists (select from oci_tag t where t.package_id = m.package_id and t.digest = m.digest)
  or exists (select from oci_manifest_part p where p.package_id = m.package_id and p.digest = m.digest and p.kind = 'manifest')
  or (m.subject is not null and exists (select from oci_manifest s where s.package_id = m.package_id and s.digest = m.subject)))`
