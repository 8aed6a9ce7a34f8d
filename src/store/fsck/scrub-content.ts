// The scrub of the content store: background work of one node that reads every segment and every whole content back once a month, slowly, and raises an alarm for what is wrong.
// `verified_at` of their rows says how far it is, `findings` what it found the last time.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Log } from '../../base/index.ts'
import { type Database, type RawBuilder, sql } from '../../db/index.ts'
import type { Job } from '../../jobs/index.ts'
import { digestOf } from '../digest.ts'
import { checkSegment, type CheckParts } from './check-segment.ts'
import { checkWhole } from './check-whole.ts'
import type { ContentFinding } from './content-finding.ts'

const everyDays = 30
/** It reads no slower than this, and fast enough to be round in half of the time that it has. */
const leastBytesPerSecond = 4 << 20
const secondsForAll = (everyDays / 2) * 24 * 3600

export interface ContentScrubState {
  /** Segments in which something was wrong when it last looked. */
  readonly damagedSegments: number
  /** The same of whole contents. */
  readonly damagedWholes: number
  /** When the segment or whole content was read that was not read for the longest time; null: there are none. */
  readonly oldest: Date | null
}

/** For people and programs that ask how it stands. */
export async function contentScrubState(db: Database): Promise<ContentScrubState> {
  const { rows } = await sql<ContentScrubState>`
    select (select count(*)::int from segment where findings is not null) as "damagedSegments",
      (select count(*)::int from content_whole where findings is not null) as "damagedWholes",
      least((select min(coalesce(verified_at, created_at)) from segment), (select min(coalesce(verified_at, created_at)) from content_whole)) as oldest`.execute(
    db.queries,
  )
  return rows[0] as ContentScrubState
}

const isDue = sql`coalesce(verified_at, created_at) < now() - ${sql.lit(everyDays)} * interval '1 day'`

/** What is read as one: a segment, or a whole content. */
interface Unit {
  readonly sizeBytes: number
  readonly check: (signal: AbortSignal) => Promise<readonly ContentFinding[]>
  readonly table: 'segment' | 'content_whole'
  readonly isIt: RawBuilder<unknown>
}

/** @param intervalMs between two looks for what is due */
export function scrubContentJob(parts: CheckParts, log: Log, intervalMs = 600_000): Job {
  const { db } = parts
  return {
    kind: 'scrub-content',
    intervalMs,
    work: () => sql<boolean>`(exists (select from segment where ${isDue}) or exists (select from content_whole where ${isDue}))`,
    run: async (signal) => {
      const bytesPerSecond = Math.max(leastBytesPerSecond, (await storedBytes(db)) / secondsForAll)
      const next = async (): Promise<Unit | null> => (await nextSegment(parts)) ?? (await nextWhole(parts))
      for (let unit = await next(); unit; unit = await next()) {
        signal.throwIfAborted()
        const startMs = performance.now()
        await keep(db, unit, await unit.check(signal), log)
        const restMs = (unit.sizeBytes / bytesPerSecond) * 1000 - (performance.now() - startMs)
        if (restMs > 0) await sleep(restMs, undefined, { signal }).catch(() => signal.throwIfAborted())
      }
    },
  }
}

async function storedBytes({ queries }: Database): Promise<number> {
  const { rows } = await sql<{ total: number }>`
    select ((select coalesce(sum(size_bytes), 0) from segment) + (select coalesce(sum(stored_bytes), 0) from whole_part))::float8 as total`.execute(
    queries,
  )
  return rows[0]?.total ?? 0
}

async function nextSegment(parts: CheckParts): Promise<Unit | null> {
  const { rows } = await sql<{ id: number; sizeBytes: number }>`
    select id::float8 as id, size_bytes::float8 as "sizeBytes" from segment where ${isDue} order by coalesce(verified_at, created_at) limit 1`.execute(
    parts.db.queries,
  )
  const found = rows[0]
  if (found === undefined) return null
  const { id, sizeBytes } = found
  return { sizeBytes, check: (signal) => checkSegment(parts, id, signal), table: 'segment', isIt: sql`id = ${id}` }
}

async function nextWhole(parts: CheckParts): Promise<Unit | null> {
  const { rows } = await sql<{ digest: Uint8Array; sizeBytes: number }>`
    select digest, (select size_bytes::float8 from content c where c.digest = w.digest) as "sizeBytes" from content_whole w
    where ${isDue} order by coalesce(verified_at, created_at) limit 1`.execute(parts.db.queries)
  const found = rows[0]
  if (found === undefined) return null
  const { digest, sizeBytes } = found
  return {
    sizeBytes,
    check: (signal) => checkWhole(parts, digestOf(digest), signal),
    table: 'content_whole',
    isIt: sql`digest = ${digest}`,
  }
}

async function keep({ queries }: Database, { table, isIt }: Unit, findings: readonly ContentFinding[], log: Log): Promise<void> {
  for (const found of findings) log.error({ alarm: true, finding: found }, 'ALARM: stored data is wrong')
  const kept = findings.length === 0 ? null : JSON.stringify(findings)
  await sql`update ${sql.table(table)} set verified_at = now(), findings = ${kept}::jsonb where ${isIt}`.execute(queries)
}
