// What eviction takes of images that came from upstreams: manifests with their tags, then blobs that none names any more.
import { type Database, sql } from '../../db/index.ts'
import type { Evictable } from '../../packages/index.ts'
import { tagsMayGo } from '../keeping/tag-rules.ts'

export const evictableImages: Evictable = {
  format: 'oci',
  removeVersions: async (db, id, olderThanS, most) => {
    const isOld = olderThanS === null ? sql`true` : sql`greatest(m.pushed_at, m.pulled_at) < now() - ${olderThanS} * interval '1 second'`
    return await removed(
      db,
      sql`
        delete from oci_manifest where (package_id, digest) in (
          select m.package_id, m.digest from oci_manifest m join package p on p.id = m.package_id
          where p.upstream_id = ${id} and ${isOld}
          order by greatest(m.pushed_at, m.pulled_at) limit ${most} for update of m skip locked)`,
    )
  },
  removeUnnamed: async (db, id, sinceS, most) =>
    await removed(
      db,
      sql`
        delete from oci_blob where (package_id, digest) in (
          select b.package_id, b.digest from oci_blob b join package p on p.id = b.package_id
          where p.upstream_id = ${id} and b.created_at <= now() - ${sinceS} * interval '1 second'
            and not exists (select from oci_manifest_part part where part.package_id = b.package_id and part.digest = b.digest)
          order by b.package_id, b.digest limit ${most} for update of b skip locked)`,
    ),
  isEmpty: () =>
    sql<boolean>`not exists (select from oci_manifest m where m.package_id = p.id) and not exists (select from oci_blob b where b.package_id = p.id)`,
  storedBytes: async (db, id) => {
    const { rows } = await sql<{ bytes: number }>`
      select coalesce(sum(size_bytes), 0)::bigint as bytes from (
        select distinct b.content, b.size_bytes from oci_blob b join package p on p.id = b.package_id where p.upstream_id = ${id}) held`.execute(
      db.queries,
    )
    return Number(rows[0]?.bytes ?? 0)
  },
}

async function removed(db: Database, statement: ReturnType<typeof sql>): Promise<number> {
  return await db.transaction(
    async (tx) => {
      await tagsMayGo(tx)
      const { numAffectedRows = 0n } = await statement.execute(tx)
      return Number(numAffectedRows)
    },
    { mayRetry: true },
  )
}
