// The scrub of the content store: background work of one node that reads every segment back once a month, slowly, and raises an alarm for what is wrong.
// `segment.verified_at` says how far it is, `segment.findings` what it found the last time.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Log } from '../../base/index.ts'
import { type Database, sql } from '../../db/index.ts'
import type { Job } from '../../jobs/index.ts'
import { checkSegment, type CheckParts } from './check-segment.ts'
import type { ContentFinding } from './content-finding.ts'

const everyDays = 30
/** It reads no slower than this, and fast enough to be round in half of the time that it has. */
const leastBytesPerSecond = 4 << 20
const secondsForAll = (everyDays / 2) * 24 * 3600

export interface ContentScrubState {
  /** Segments in which something was wrong when it last looked. */
  readonly damagedSegments: number
  /** When the segment was read that was not read for the longest time; null: there are none. */
  readonly oldest: Date | null
}

/** For people and programs that ask how it stands. */
export async function contentScrubState(db: Database): Promise<ContentScrubState> {
  const { rows } = await sql<ContentScrubState>`
    select (select count(*)::int from segment where findings is not null) as "damagedSegments",
      (select min(coalesce(verified_at, created_at)) from segment) as oldest`.execute(db.queries)
  return rows[0] as ContentScrubState
}

const isDue = sql`coalesce(verified_at, created_at) < now() - ${sql.lit(everyDays)} * interval '1 day'`

/** @param intervalMs between two looks for segments that are due */
export function scrubContentJob(parts: CheckParts, log: Log, intervalMs = 600_000): Job {
  const { db } = parts
  return {
    kind: 'scrub-content',
    intervalMs,
    work: () => sql<boolean>`exists (select from segment where ${isDue})`,
    run: async (signal) => {
      const bytesPerSecond = Math.max(leastBytesPerSecond, (await storedBytes(db)) / secondsForAll)
      for (let next = await nextSegment(db); next; next = await nextSegment(db)) {
        signal.throwIfAborted()
        const startMs = performance.now()
        await keep(db, next.id, await checkSegment(parts, next.id, signal), log)
        const restMs = (next.sizeBytes / bytesPerSecond) * 1000 - (performance.now() - startMs)
        if (restMs > 0) await sleep(restMs, undefined, { signal }).catch(() => signal.throwIfAborted())
      }
    },
  }
}

async function storedBytes({ queries }: Database): Promise<number> {
  const { rows } = await sql<{ total: number }>`select coalesce(sum(size_bytes), 0)::float8 as total from segment`.execute(queries)
  return rows[0]?.total ?? 0
}

async function nextSegment({ queries }: Database): Promise<{ readonly id: number; readonly sizeBytes: number } | null> {
  const { rows } = await sql<{ id: number; sizeBytes: number }>`
    select id::float8 as id, size_bytes::float8 as "sizeBytes" from segment where ${isDue} order by coalesce(verified_at, created_at) limit 1`.execute(
    queries,
  )
  return rows[0] ?? null
}

async function keep({ queries }: Database, id: number, findings: readonly ContentFinding[], log: Log): Promise<void> {
  for (const found of findings) log.error({ alarm: true, finding: found }, 'ALARM: stored data is wrong')
  const kept = findings.length === 0 ? null : JSON.stringify(findings)
  await sql`update segment set verified_at = now(), findings = ${kept}::jsonb where id = ${id}`.execute(queries)
}
