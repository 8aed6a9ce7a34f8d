// What came from upstreams and nobody asks for leaves: by age, and by size, what was asked for longest ago first. Nothing is lost by it: it comes back when somebody
// asks. Leases don't count here, for nobody publishes to what is an upstream's; what is being read stays readable (content-store.md, Collection).
import type { UpstreamId } from '../../access/index.ts'
import type { Log } from '../../base/index.ts'
import { type Database, type RawBuilder, sql } from '../../db/index.ts'
import type { Job } from '../../jobs/index.ts'
import type { UpstreamFormatName } from './upstream-format.ts'
import { listUpstreams, type Upstream } from './upstream-rows.ts'

const intervalMs = 3600_000
const batchRows = 200
/** At once, where there is more than may be. */
const batchBySize = 20
/** A package that was just made may be about to get its first version; what no version names may belong to one that is on its way. */
const youngS = 3600

/** What one format caches, as eviction sees it. Each step removes at most so many, in one transaction, and tells how many it removed. */
export interface Evictable {
  readonly format: UpstreamFormatName
  /** Versions (an image's manifests), those asked for longest ago first. @param olderThanS only those that nobody has asked for in so long; null: any */
  readonly removeVersions: (db: Database, id: UpstreamId, olderThanS: number | null, most: number) => Promise<number>
  /** Files that no version names, and that have been here for so long. */
  readonly removeUnnamed: (db: Database, id: UpstreamId, sinceS: number, most: number) => Promise<number>
  /** Over a row `p` of `package`: there is nothing in it. */
  readonly isEmpty: (upstream: Upstream) => RawBuilder<boolean>
  /** Bytes of what is stored, each content once. */
  readonly storedBytes: (db: Database, id: UpstreamId) => Promise<number>
}

export interface Evicted {
  readonly versions: number
  readonly files: number
  readonly packages: number
}

/** Leased work of one node. */
export function evictionJob(db: Database, log: Log, kinds: readonly Evictable[]): Job {
  return {
    kind: 'evict-upstreams',
    intervalMs,
    work: () => sql`exists (select from package_upstream where url is not null)`,
    run: async (signal) => {
      const gone = await evict(db, kinds, signal)
      if (gone.versions + gone.files + gone.packages > 0)
        log.info(gone, 'what nobody asks for any more was evicted from upstreams’ packages')
    },
  }
}

/** One pass over all upstreams, in bounded steps. */
export async function evict(db: Database, kinds: readonly Evictable[], signal?: AbortSignal): Promise<Evicted> {
  const gone = { versions: 0, files: 0, packages: 0 }
  for (const upstream of await listUpstreams(db.queries)) {
    const kind = kinds.find(({ format }) => format === upstream.format)
    if (kind === undefined) continue
    const { id, keepS, mostBytes } = upstream
    gone.versions += await inBatches((most) => kind.removeVersions(db, id, keepS, most), signal)
    gone.files += await inBatches((most) => kind.removeUnnamed(db, id, youngS, most), signal)
    const isTooMuch = async (): Promise<boolean> => mostBytes !== null && (await kind.storedBytes(db, id)) > mostBytes
    while (await isTooMuch()) {
      signal?.throwIfAborted()
      const count = await kind.removeVersions(db, id, null, batchBySize)
      if (count === 0) break
      gone.versions += count
      gone.files += await inBatches((most) => kind.removeUnnamed(db, id, 0, most), signal)
    }
    gone.packages += await removeEmpty(db, upstream, kind)
  }
  return gone
}

async function inBatches(remove: (most: number) => Promise<number>, signal: AbortSignal | undefined): Promise<number> {
  let total = 0
  for (let count = batchRows; count === batchRows; total += count) {
    signal?.throwIfAborted()
    count = await remove(batchRows)
  }
  return total
}

async function removeEmpty(db: Database, upstream: Upstream, { isEmpty }: Evictable): Promise<number> {
  const { numAffectedRows = 0n } = await sql`
    delete from package p where p.upstream_id = ${upstream.id} and p.created_at < now() - ${youngS} * interval '1 second' and ${isEmpty(upstream)}`.execute(
    db.queries,
  )
  return Number(numAffectedRows)
}
