// The whole check: rows against keys, then every network, several at a time. docs/design/fsck.md.
import { InputError, Places } from '../../base/index.ts'
import { type Database, sql } from '../../db/index.ts'
import type { GitRoom } from '../git-room.ts'
import { checkKeys, historyKeys, type KeyKind, packKeys, pathTableKeys, segmentKeys, wholeKeys } from './check-keys.ts'
import { checkNetwork, type FsckParts } from './check-network.ts'
import type { Finding } from './finding.ts'
import { type ScrubState, scrubState } from './scrub.ts'

export interface FsckOptions {
  /** Only that repository's network; rows are compared with keys only without it. */
  readonly repository?: { readonly owner: string; readonly name: string }
  /** What other rooms keep in the bucket. */
  readonly otherKeys?: readonly KeyKind[]
  readonly signal: AbortSignal
  readonly progress: (phase: string, done: number, total: number) => void
  readonly report: (found: Finding) => void
}

export interface FsckSummary {
  readonly networks: number
  readonly repositories: number
  readonly refs: number
  readonly packs: number
  readonly objects: number
  readonly packBytes: number
  /** Null where one repository was asked for. */
  readonly keys: number | null
  /** What the background scrub found last, and how far it is. */
  readonly scrub: ScrubState
  readonly errors: number
  readonly warnings: number
}

/**
 * Checks everything, or one repository with the network that it is in, and reports each thing that is wrong as it is found.
 * @throws InputError `no-repository`; UnavailableError when database or bucket don't answer; the signal's reason
 */
export async function fsck(room: GitRoom, options: FsckOptions): Promise<FsckSummary> {
  const { db, bucket } = room.options
  const counts = { networks: 0, repositories: 0, refs: 0, packs: 0, objects: 0, packBytes: 0, errors: 0, warnings: 0 }
  const report = (found: Finding) => {
    counts[found.severity === 'error' ? 'errors' : 'warnings']++
    options.report(found)
  }
  const networks = await findNetworks(db, options.repository)
  const { signal, progress } = options
  const kinds = [packKeys, historyKeys, pathTableKeys, segmentKeys, wholeKeys, ...(options.otherKeys ?? [])]
  const listed = options.repository
    ? null
    : await checkKeys(db, bucket, { kinds, signal, report, progress: (kind, keys) => progress(`listing keys: ${kind}`, keys, 0) })
  const total = networks.reduce((sum, network) => sum + network.bytes, 0)
  let done = 0
  const places = room.options.threads
  const parts: FsckParts = { ...room.options, reader: room.reader, workers: room.workers, places: new Places(places) }
  const queue = networks.values()
  const work = async () => {
    for (const { id, repositories } of queue) {
      const onProgress = (bytes: number) => progress('checking packs', (done += bytes), total)
      const checked = await checkNetwork(parts, id, { signal, progress: onProgress })
      if (!checked) continue
      counts.networks++
      counts.repositories += repositories
      counts.refs += checked.refs
      counts.packs += checked.packs
      counts.objects += checked.objects
      counts.packBytes += checked.packBytes
      checked.findings.forEach(report)
    }
  }
  await Promise.all(Array.from({ length: places }, work))
  return { ...counts, keys: listed?.keys ?? null, scrub: await scrubState(db) }
}

async function findNetworks(
  db: Database,
  repository: FsckOptions['repository'],
): Promise<{ readonly id: string; readonly bytes: number; readonly repositories: number }[]> {
  const wanted = repository
    ? sql`where n.id in (select r.network_id from repository r join account a on a.id = r.owner_id
        where lower(a.login) = ${repository.owner.toLowerCase()} and lower(r.name) = ${repository.name.toLowerCase()})`
    : sql``
  const { rows } = await sql<{ id: string; bytes: number; repositories: number }>`
    select n.id, coalesce((select sum(pack_bytes) from pack p where p.network_id = n.id), 0)::float8 as bytes,
      (select count(*) from repository r where r.network_id = n.id)::int as repositories
    from network n ${wanted} order by n.created_at, n.id`.execute(db.queries)
  if (repository && rows.length === 0)
    throw new InputError('no-repository', `there is no repository ${repository.owner}/${repository.name}`)
  return rows
}
