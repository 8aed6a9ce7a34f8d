// How large an image is, what of it others have too, and how often it is pulled.
import type { PackageId } from '../../access/index.ts'
import { type Queries, sql } from '../../db/index.ts'

export interface ImageSizes {
  readonly blobCount: number
  /** Of its blobs, each once, as they were pushed. */
  readonly blobBytes: number
  readonly manifestCount: number
  readonly manifestBytes: number
  /** Of its blobs, those that another one of these images has, too. */
  readonly sharedCount: number
  readonly sharedBytes: number
}

/** @param others images of which the caller may know */
export async function imageSizes(queries: Queries, image: PackageId, others: readonly PackageId[]): Promise<ImageSizes> {
  const { rows } = await sql<{ [K in keyof ImageSizes]: number }>`
    with blobs as (
      select blob.size_bytes, exists (select from oci_blob other
        where other.digest = blob.digest and other.package_id = any(${others}::bigint[]) and other.package_id <> ${image}) as is_shared
      from oci_blob blob where blob.package_id = ${image}
    ), manifests as (
      select count(*)::int8 as count, coalesce(sum(octet_length(bytes)), 0)::int8 as bytes from oci_manifest where package_id = ${image}
    )
    select count(*)::int8 as "blobCount", coalesce(sum(size_bytes), 0)::int8 as "blobBytes",
      count(*) filter (where is_shared)::int8 as "sharedCount", coalesce(sum(size_bytes) filter (where is_shared), 0)::int8 as "sharedBytes",
      (select count from manifests) as "manifestCount", (select bytes from manifests) as "manifestBytes"
    from blobs`.execute(queries)
  return rows[0] as ImageSizes
}

export interface PullDay {
  /** `2026-11-27`, UTC. */
  readonly day: string
  readonly pullCount: number
}

export interface Pulls {
  readonly total: number
  /** The newest last; days without pulls are there, too. */
  readonly days: readonly PullDay[]
}

/** @param digest of one manifest alone; null: all of the image, those that it has no more, too */
export async function imagePulls(queries: Queries, image: PackageId, days: number, digest: Uint8Array | null): Promise<Pulls> {
  const { rows } = await sql<{ day: string; pull_count: number }>`
    select to_char(days.day, 'YYYY-MM-DD') as day, coalesce(sum(pulled.pull_count), 0)::int8 as pull_count
    from (select (now() at time zone 'UTC')::date - back as day from generate_series(0, ${days}::int - 1) as back) as days
    left join oci_pull_day pulled on pulled.day = days.day and pulled.package_id = ${image} and (${digest}::bytea is null or pulled.digest = ${digest}::bytea)
    group by days.day order by days.day`.execute(queries)
  return {
    total: rows.reduce((sum, row) => sum + row.pull_count, 0),
    days: rows.map((row) => ({ day: row.day, pullCount: row.pull_count })),
  }
}
