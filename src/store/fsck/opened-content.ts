// A content that is kept as what is inside of it: its parts are held, and the content is made again of them, to the last byte, in a worker. File lists of others are held.
import type { MessagePort } from 'node:worker_threads'
import { CorruptError, MessageStream, type WorkerPool } from '../../base/index.ts'
import { type Database, type Queries, type RawBuilder, sql } from '../../db/index.ts'
import { type Digest, digestBytes, digestOf } from '../digest.ts'
import { listedKind, openedKind } from '../opened/opened-rows.ts'
import { planRebuild } from '../opened/plan-rebuild.ts'

export type OpenedFinding = { readonly code: 'opened-row' | 'opened-damaged' | 'content-damaged'; readonly message: string }

interface Row {
  readonly form: Uint8Array | null
  readonly is_held: boolean
  readonly is_stored: boolean
}

/** Null: all is well, or the content is gone. */
export async function checkOpened(
  { db, workers }: { readonly db: Database; readonly workers: WorkerPool },
  digest: Digest,
  signal: AbortSignal,
): Promise<OpenedFinding | null> {
  const row = await find(db, digest)
  if (row === null) return null
  if (row.form === null) return row.is_stored ? null : { code: 'content-damaged', message: 'it has a row, and its bytes are nowhere' }
  if (!row.is_held) return { code: 'opened-row', message: 'nothing holds what it is made of: it may be collected' }
  try {
    const plan = await planRebuild(db.queries, row.form)
    if (plan === null) return (await find(db, digest)) === null ? null : { code: 'opened-damaged', message: 'what it is made of is gone' }
    await workers.run('checkRebuild', plan, [], (port: MessagePort) => new MessageStream<'right'>(port).message(), signal)
    return null
  } catch (error) {
    if (!(error instanceof CorruptError)) throw error
    return (await find(db, digest)) === null ? null : { code: 'opened-damaged', message: error.message }
  }
}

/** Contents whose file lists nothing holds. @param isAsked which contents; `c` is one */
export async function unheldLists(queries: Queries, isAsked: RawBuilder<unknown>): Promise<Digest[]> {
  const { rows } = await sql<{ digest: Uint8Array }>`
    select l.digest from content_listed l join content c on c.digest = l.digest where ${isAsked} and not exists
      (select from content_reference r where r.kind = ${listedKind} and r.id = encode(l.digest, 'hex') and r.digest = l.inner_digest)
    order by l.digest`.execute(queries)
  return rows.map(({ digest }) => digestOf(digest))
}

async function find({ queries }: Database, digest: Digest): Promise<Row | null> {
  const { rows } = await sql<Row>`
    select o.form, exists (select from content_reference r where r.kind = ${openedKind} and r.id = ${digest} and r.digest = o.inner_digest) as is_held,
      c.recipe is not null or exists (select from content_whole w where w.digest = c.digest) as is_stored
    from content c left join content_opened o using (digest) where c.digest = ${digestBytes(digest)}`.execute(queries)
  return rows[0] ?? null
}
