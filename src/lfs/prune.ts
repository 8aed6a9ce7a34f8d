// LFS objects leave a repository when no pointer file in its history names them any more: docs/design/lfs.md, Objects leave.
// Invariant: an object goes in a transaction that holds the repository's row, under which no ref has moved since its history was read, and nobody has asked for
// the object within the grace.
import { utf8, InputError, type Log, UnavailableError } from '../base/index.ts'
import { type Database, sql, type Tx } from '../db/index.ts'
import type { Job } from '../jobs/index.ts'
import { digestOf } from '../store/index.ts'
import { parsePointer, pointerBytes, pointerMark } from './format/pointer.ts'

/**
 * What the Git room does for this one: gives blobs that the repository's refs reach, or reached within the grace, of at most so many bytes, in which these stand.
 * Resolves to the version of the refs that it looked at.
 */
export type ReachedBlobs = (
  repositoryId: number,
  wanted: { readonly mostBytes: number; readonly contains: Uint8Array; readonly graceS: number },
  take: (blob: Uint8Array) => void,
  signal: AbortSignal,
) => Promise<number>

export interface PruneParts {
  readonly db: Database
  readonly reachedBlobs: ReachedBlobs
}

export interface Pruned {
  /** Objects that leave, or would. */
  readonly objects: number
  readonly bytes: number
  readonly kept: number
}

export interface PruneOptions {
  /** 0: also what was uploaded a moment ago, and is pushed next. */
  readonly graceS: number
  /** Only counted. */
  readonly isDry: boolean
  readonly signal: AbortSignal
  /** Runs in the transaction in which objects leave: for who tells the audit of it. */
  readonly witness?: (tx: Tx, gone: Pick<Pruned, 'objects' | 'bytes'>) => Promise<void>
}

const nothing: Pruned = { objects: 0, bytes: 0, kept: 0 }
/** Refs that move while history is read: then it is read again. */
const mostTries = 3
const retryS = 3600

/**
 * @throws UnavailableError 'lfs-raced' when refs moved each time while history was read; nothing was changed. InputError 'repository-deleted'; CorruptError
 */
export async function pruneObjects(
  parts: PruneParts,
  repositoryId: number,
  { graceS, isDry, signal, witness }: PruneOptions,
): Promise<Pruned> {
  const { db } = parts
  for (let tries = 0; tries < mostTries; tries++) {
    signal.throwIfAborted()
    const all = await countObjects(db, repositoryId)
    if (all === 0) return nothing
    const old = await oldObjects(db, repositoryId, graceS)
    if (old.size === 0) return { ...nothing, kept: all }
    const wanted = { mostBytes: pointerBytes, contains: utf8(pointerMark), graceS }
    const take = (blob: Uint8Array): void => {
      for (const oid of parsePointer(blob)) old.delete(oid)
    }
    const refsVersion = await parts.reachedBlobs(repositoryId, wanted, take, signal)
    const bytes = [...old.values()].reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
    if (isDry || old.size === 0) return { objects: old.size, bytes, kept: all - old.size }
    const oids = [...old.values()].map(({ oid }) => oid)
    const gone = await removeObjects(db, repositoryId, { refsVersion, oids, graceS, witness })
    if (gone !== null) return { ...gone, kept: all - gone.objects }
  }
  throw new UnavailableError('lfs-raced', 'refs of the repository moved while its history was read; no LFS object was removed, try again')
}

async function countObjects({ queries }: Database, repositoryId: number): Promise<number> {
  const { rows } = await sql<{ n: number }>`select count(*)::float8 as n from lfs_object where repository_id = ${repositoryId}`.execute(
    queries,
  )
  return rows[0]?.n ?? 0
}

interface OldObject {
  readonly oid: Buffer
  readonly sizeBytes: number
}

/** Nobody has asked for them within the grace. */
async function oldObjects({ queries }: Database, repositoryId: number, graceS: number): Promise<Map<string, OldObject>> {
  const { rows } = await sql<OldObject>`
    select oid, size_bytes::float8 as "sizeBytes" from lfs_object
    where repository_id = ${repositoryId} and asked_at <= now() - ${graceS} * interval '1 second'`.execute(queries)
  return new Map(rows.map((row) => [digestOf(row.oid), row]))
}

interface Departing extends Pick<PruneOptions, 'graceS'> {
  readonly refsVersion: number
  readonly oids: readonly Uint8Array[]
  readonly witness: PruneOptions['witness'] | undefined
}

/** Null when a ref has moved since. What somebody has asked for since stays. */
async function removeObjects(
  db: Database,
  repositoryId: number,
  { refsVersion, oids, graceS, witness }: Departing,
): Promise<Pick<Pruned, 'objects' | 'bytes'> | null> {
  return db.transaction(
    async (tx) => {
      const repository = await tx
        .selectFrom('repository')
        .select('refs_version')
        .where('id', '=', repositoryId)
        .forUpdate()
        .executeTakeFirst()
      if (!repository) return { objects: 0, bytes: 0 }
      if (repository.refs_version !== refsVersion) return null
      const { rows } = await sql<{ objects: number; bytes: number }>`
        with gone as (
          delete from lfs_object where repository_id = ${repositoryId} and oid = any(${[...oids]}::bytea[])
            and asked_at <= now() - ${graceS} * interval '1 second' returning size_bytes)
        select count(*)::float8 as objects, coalesce(sum(size_bytes), 0)::float8 as bytes from gone`.execute(tx)
      const gone = rows[0] ?? { objects: 0, bytes: 0 }
      if (gone.objects > 0) await witness?.(tx, gone)
      return gone
    },
    { mayRetry: true },
  )
}

interface DueRepository {
  readonly id: number
  /** Something may have lost its last pointer since somebody looked. */
  readonly mayLose: boolean
}

/** Leased work: repositories that have LFS objects, each looked at once in half of the grace, its history read only where refs moved or objects grew old. */
export function pruneJob(parts: PruneParts & { readonly log: Log }, { graceS }: { readonly graceS: number }, intervalMs = 3600_000): Job {
  const { db } = parts
  return {
    kind: 'prune-lfs',
    intervalMs,
    work: () => sql<boolean>`exists (select from lfs_review where due_at <= now())`,
    run: async (signal) => {
      for (let due = await nextDue(db, graceS); due; due = await nextDue(db, graceS)) {
        signal.throwIfAborted()
        const { id, mayLose } = due
        const isDone = !mayLose || (await pruneOne(parts, id, graceS, signal))
        await sql`
          update lfs_review set due_at = now() + ${isDone ? graceS / 2 : retryS} * interval '1 second',
            looked_at = ${isDone && mayLose ? sql`now()` : sql`looked_at`}
          where repository_id = ${id}`.execute(db.queries)
      }
    },
  }
}

/** False: refs moved each time, or something didn't answer: it is to be tried soon. */
async function pruneOne(parts: PruneParts & { readonly log: Log }, id: number, graceS: number, signal: AbortSignal): Promise<boolean> {
  try {
    const pruned = await pruneObjects(parts, id, { graceS, isDry: false, signal })
    if (pruned.objects > 0) parts.log.info({ repository: id, ...pruned }, 'LFS objects left')
    return true
  } catch (error) {
    if (signal.aborted) throw error
    if (error instanceof InputError && error.code === 'repository-deleted') return true
    // whatever it is, it keeps no other from its turn, and nothing was removed
    const isUnavailable = error instanceof UnavailableError
    parts.log[isUnavailable ? 'debug' : 'warn']({ err: error, repository: id }, 'LFS objects that no pointer names could not be looked for')
    return !isUnavailable
  }
}

async function nextDue({ queries }: Database, graceS: number): Promise<DueRepository | null> {
  const before = sql`- ${graceS} * interval '1 second'`
  const { rows } = await sql<DueRepository>`
    select v.repository_id::float8 as id, exists (
      select from lfs_object o where o.repository_id = v.repository_id and o.asked_at <= now() ${before}
        and (v.looked_at is null or o.asked_at > v.looked_at ${before} or r.pushed_at > v.looked_at ${before})) as "mayLose"
    from lfs_review v join repository r on r.id = v.repository_id where v.due_at <= now() order by v.due_at limit 1`.execute(queries)
  return rows[0] ?? null
}
