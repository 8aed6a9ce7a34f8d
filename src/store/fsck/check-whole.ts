// One whole content: its keys against its rows and its digest (in a worker), and who needs it.
import type { MessagePort } from 'node:worker_threads'
import { MessageStream } from '../../base/index.ts'
import { wholeKey } from '../../bucket/index.ts'
import { type Queries, sql } from '../../db/index.ts'
import { type Digest, digestBytes } from '../digest.ts'
import type { CheckParts } from './check-segment.ts'
import { type ContentFinding, contentFinding } from './content-finding.ts'
import { holdersOf } from './dependents.ts'
import type { WholeProblem, WholeRow, WholeRows } from './whole-job.ts'

const codes = { missing: 'whole-missing', damaged: 'whole-damaged', row: 'whole-row' } as const

/** What is wrong with it; nothing where it was collected or dropped meanwhile. UnavailableError. */
export async function checkWhole({ db, workers }: CheckParts, digest: Digest, signal: AbortSignal): Promise<ContentFinding[]> {
  const rows = await readRows(db.queries, digest)
  if (rows === null) return []
  const ask = (port: MessagePort) => new MessageStream<readonly WholeProblem[]>(port).message()
  const problems = await workers.run('checkWhole', rows, [], ask, signal)
  if (problems.length === 0) return []
  // deletions take a day, and keys whose rows are here are never changed
  const again = await readRows(db.queries, digest)
  // other parts have come in their place: what was wrong is mended
  if (again === null || again.parts[0]?.uuid !== rows.parts[0]?.uuid) return []
  const dependents = await holdersOf(db.queries, [digestBytes(digest)])
  return problems.map(({ kind, uuid, reason }) =>
    contentFinding(codes[kind], `content ${digest}, as it came: ${reason}`, { key: uuid === null ? null : wholeKey(uuid), dependents }),
  )
}

async function readRows(queries: Queries, digest: Digest): Promise<WholeRows | null> {
  const { rows } = await sql<WholeRow & { total: number }>`
    select p.uuid::text as uuid, p.size_bytes::float8 as "sizeBytes", p.stored_bytes::float8 as "storedBytes", p.sums, c.size_bytes::float8 as total
    from whole_part p join content c using (digest) where p.digest = ${digestBytes(digest)} order by p.ordinal`.execute(queries)
  const first = rows[0]
  return first === undefined ? null : { digest, sizeBytes: first.total, parts: rows }
}
