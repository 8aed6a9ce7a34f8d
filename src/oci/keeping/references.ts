// What keeps what: the registry's hold on content, and, as SQL, what keeps a manifest: one answer for collection and for retention.
import type { Package, PackageId } from '../../access/index.ts'
import { sql, type Tx } from '../../db/index.ts'
import type { ContentReference } from '../../store/index.ts'

/** The kind of the registry's content references; their id is the package's. */
export const ociReferences = 'oci'

export function referenceOf({ id }: Pick<Package, 'id'>): ContentReference {
  return { kind: ociReferences, id: String(id) }
}

/** A manifest of the image that names a blob, or an index that names a manifest; null: none does. To be asked when the row of what is named is locked. */
export async function namedBy(tx: Tx, packageId: PackageId, digest: Uint8Array, as: 'blob' | 'manifest'): Promise<Uint8Array | null> {
  const part = await tx
    .selectFrom('oci_manifest_part')
    .select('manifest')
    .where('package_id', '=', packageId)
    .where('digest', '=', digest)
    .where('kind', as === 'manifest' ? '=' : '<>', 'manifest')
    .limit(1)
    .executeTakeFirst()
  return part?.manifest ?? null
}

/** Over a row `m` of `oci_manifest`: a tag names it, an index, or it refers to a subject that is there. To be asked under the row's lock. */
export const isManifestKept = sql<boolean>`(
  exists (select from oci_tag t where t.package_id = m.package_id and t.digest = m.digest)
  or exists (select from oci_manifest_part p where p.package_id = m.package_id and p.digest = m.digest and p.kind = 'manifest')
  or (m.subject is not null and exists (select from oci_manifest s where s.package_id = m.package_id and s.digest = m.subject)))`
