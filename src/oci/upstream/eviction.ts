// What came from upstreams and nobody pulls leaves: by age, and by size, those pulled longest ago first. Nothing is lost by it: it comes back when somebody
// asks. Leases don't count here, for nobody pushes on what is an upstream's; what is being read stays readable (content-store.md, Collection).
import type { UpstreamId } from '../../access/index.ts'
import type { Log } from '../../base/index.ts'
import { type Database, sql } from '../../db/index.ts'
import type { Job } from '../../jobs/index.ts'
import { tagsMayGo } from '../keeping/tag-rules.ts'
import { listUpstreams, type Upstream } from './upstreams.ts'

const intervalMs = 3600_000
const batchRows = 200
/** At once, where there is more than may be. */
const batchBySize = 20
/** A package that was just made may be about to get its first manifest. */
const emptyForS = 3600

export interface Evicted {
  readonly manifests: number
  readonly blobs: number
  readonly packages: number
}

/** Leased work of one node. */
export function evictionJob(db: Database, log: Log): Job {
  return {
    kind: 'evict-upstreams',
    intervalMs,
    work: () => sql`exists (select from package_upstream)`,
    run: async (signal) => {
      const gone = await evict(db, signal)
      if (gone.manifests + gone.blobs + gone.packages > 0) log.info(gone, 'what nobody pulls any more was evicted from upstreams’ images')
    },
  }
}

/** One pass over all upstreams, in bounded steps. */
export async function evict(db: Database, signal?: AbortSignal): Promise<Evicted> {
  const gone = { manifests: 0, blobs: 0, packages: 0 }
  for (const upstream of await listUpstreams(db.queries)) {
    const old = sql<boolean>`greatest(m.pushed_at, m.pulled_at) < now() - ${upstream.keepS} * interval '1 second'`
    for (let count = batchRows; count === batchRows; gone.manifests += count) {
      signal?.throwIfAborted()
      count = await removeManifests(db, upstream.id, old, batchRows)
    }
    gone.blobs += await removeUnnamed(db, upstream, signal)
    const isTooMuch = async (): Promise<boolean> => upstream.mostBytes !== null && (await storedBytes(db, upstream.id)) > upstream.mostBytes
    while (await isTooMuch()) {
      signal?.throwIfAborted()
      const count = await removeManifests(db, upstream.id, sql<boolean>`true`, batchBySize)
      if (count === 0) break
      gone.manifests += count
      gone.blobs += await removeUnnamed(db, upstream, signal, 0)
    }
    gone.packages += await removeEmpty(db, upstream.id)
  }
  return gone
}

/** Bytes of blobs, each content once. */
async function storedBytes(db: Database, id: UpstreamId): Promise<number> {
  const { rows } = await sql<{ bytes: number }>`
    select coalesce(sum(size_bytes), 0)::bigint as bytes from (
      select distinct b.content, b.size_bytes from oci_blob b join package p on p.id = b.package_id where p.upstream_id = ${id}) held`.execute(
    db.queries,
  )
  return Number(rows[0]?.bytes ?? 0)
}

/** Those pulled longest ago, with their tags. */
async function removeManifests(db: Database, id: UpstreamId, which: ReturnType<typeof sql<boolean>>, most: number): Promise<number> {
  return await db.transaction(
    async (tx) => {
      await tagsMayGo(tx)
      const { numAffectedRows = 0n } = await sql`
        delete from oci_manifest where (package_id, digest) in (
          select m.package_id, m.digest from oci_manifest m join package p on p.id = m.package_id
          where p.upstream_id = ${id} and ${which}
          order by greatest(m.pushed_at, m.pulled_at) limit ${most} for update of m skip locked)`.execute(tx)
      return Number(numAffectedRows)
    },
    { mayRetry: true },
  )
}

/** Blobs that no manifest names any more; those that have just come may belong to one that is on its way. */
async function removeUnnamed(db: Database, { id }: Upstream, signal?: AbortSignal, sinceS = 3600): Promise<number> {
  let total = 0
  for (let count = batchRows; count === batchRows; total += count) {
    signal?.throwIfAborted()
    count = await db.transaction(
      async (tx) => {
        const { numAffectedRows = 0n } = await sql`
          delete from oci_blob where (package_id, digest) in (
            select b.package_id, b.digest from oci_blob b join package p on p.id = b.package_id
            where p.upstream_id = ${id} and b.created_at <= now() - ${sinceS} * interval '1 second'
              and not exists (select from oci_manifest_part part where part.package_id = b.package_id and part.digest = b.digest)
            order by b.package_id, b.digest limit ${batchRows} for update of b skip locked)`.execute(tx)
        return Number(numAffectedRows)
      },
      { mayRetry: true },
    )
  }
  return total
}

async function removeEmpty(db: Database, id: UpstreamId): Promise<number> {
  const { numAffectedRows = 0n } = await sql`
    delete from package p where p.upstream_id = ${id} and p.created_at < now() - ${emptyForS} * interval '1 second'
      and not exists (select from oci_manifest m where m.package_id = p.id) and not exists (select from oci_blob b where b.package_id = p.id)`.execute(
    db.queries,
  )
  return Number(numAffectedRows)
}
