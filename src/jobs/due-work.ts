// Which kinds of background work could start now, of all that a node does, by one statement: a server with nothing to do asks no more than that.
import { type Queries, sql } from '../db/index.ts'
import type { Job } from './runner.ts'

/**
 * The kinds that are due, held by nobody, and may have something to do. Another node may take them first. UnavailableError when the database
 * doesn't answer.
 */
export async function findDue(queries: Queries, jobs: readonly Job[]): Promise<readonly string[]> {
  if (jobs.length === 0) return []
  const asked = jobs.map(({ kind, work }) => sql`(${kind}::text, ${work?.() ?? sql`true`})`)
  const { rows } = await sql<{ kind: string }>`
    select asked.kind from (values ${sql.join(asked)}) as asked (kind, has_work) left join job on job.kind = asked.kind
    where has_work and (job.kind is null or (due_at <= now() and (leased_until is null or leased_until < now())))`.execute(queries)
  return rows.map((row) => row.kind)
}
