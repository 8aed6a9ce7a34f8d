// What eviction takes of packages that came from upstreams: versions with their tarballs; documents go with the package, when nothing else of it is left and nobody
// asks for it, or when there is no room.
import { type Database, type RawBuilder, sql } from '../../db/index.ts'
import type { Evictable } from '../../packages/index.ts'

export const evictablePackages: Evictable = {
  format: 'npm',
  removeVersions: async (db, id, olderThanS, most) => {
    const isOld =
      olderThanS === null ? sql`true` : sql`greatest(v.published_at, v.downloaded_at) < now() - ${olderThanS} * interval '1 second'`
    return await removed(
      db,
      sql`
        delete from package_version where id in (
          select v.id from package_version v join package p on p.id = v.package_id
          where p.upstream_id = ${id} and ${isOld}
          order by greatest(v.published_at, v.downloaded_at), v.id limit ${most} for update of v skip locked)`,
    )
  },
  // a document without tarballs is of use (what other platforms install is asked for on every one), until there is no room
  removeUnnamed: async (db, id, sinceS, most) => {
    if (sinceS > 0) return 0
    return await removed(
      db,
      sql`
        delete from npm_upstream_document where package_id in (
          select p.id from package p
          where p.upstream_id = ${id} and exists (select from npm_upstream_document d where d.package_id = p.id)
            and not exists (select from package_version v where v.package_id = p.id)
          order by p.id limit ${most})`,
    )
  },
  isEmpty: ({ keepS }) => sql<boolean>`
    not exists (select from package_version v where v.package_id = p.id)
    and not exists (select from npm_upstream_document d where d.package_id = p.id and d.asked_at > now() - ${keepS} * interval '1 second')`,
  storedBytes: async (db, id) => {
    const { rows } = await sql<{ bytes: number }>`
      select (
        select coalesce(sum(size_bytes), 0) from (
          select distinct f.content, f.size_bytes from package_file f join package p on p.id = f.package_id where p.upstream_id = ${id}) held)::bigint
      + (select coalesce(sum(octet_length(d.document)), 0)
          from npm_upstream_document d join package p on p.id = d.package_id where p.upstream_id = ${id})::bigint as bytes`.execute(
      db.queries,
    )
    return Number(rows[0]?.bytes ?? 0)
  },
}

async function removed(db: Database, statement: RawBuilder<unknown>): Promise<number> {
  return await db.transaction(async (tx) => Number((await statement.execute(tx)).numAffectedRows ?? 0n), { mayRetry: true })
}
