// GET /health: whether this node can serve now. Its parts are asked afresh (at most once a second, each with a short limit; the spool, which
// is written to for it, every few seconds), so the answer turns good again by itself. It tells states, not details: those stand in the log.
import Type from 'typebox'
import type { Bucket } from './bucket/index.ts'
import { type Clock, type Log, probeSpool, UnavailableError } from './base/index.ts'
import type { Database } from './db/index.ts'

/** 'ok', or the code of what is wrong: 'database-unavailable', 'newer-schema', 'bucket-denied', 'spool-full', 'timeout', … */
export type PartState = 'ok' | (string & {})

export interface HealthReport {
  readonly status: 'ok' | 'unavailable'
  readonly version: string
  readonly database: { readonly status: PartState }
  readonly bucket: { readonly status: PartState; readonly kind: Bucket['kind'] }
  /** Where pushes go until the bucket has them. */
  readonly spool: { readonly status: PartState }
}

const part = Type.Object({ status: Type.String({ description: 'ok, or the code of what is wrong' }) })
const HealthReport = Type.Object({
  status: Type.Enum(['ok', 'unavailable']),
  version: Type.String(),
  database: part,
  bucket: Type.Object({ status: Type.String(), kind: Type.Enum(['filesystem', 's3', 'memory']) }),
  spool: part,
})
export const healthSchema = {
  tags: ['Meta'],
  summary: 'Whether this node can serve now',
  response: { 200: HealthReport, 503: HealthReport },
}

const cachedMs = 1000
const spoolCachedMs = 4000
const limitMs = 1500

/** A function that answers with the current report. Calls at the same time share one check. */
export function makeHealth(parts: {
  database: Database
  bucket: Bucket
  clock: Clock
  log: Log
  version: string
}): () => Promise<HealthReport> {
  let before = 'ok'
  const askDatabase = asking(() => parts.database.probe(), parts.log)
  const askBucket = asking((signal) => parts.bucket.probe(signal), parts.log)
  const askSpool = cached(
    parts.clock,
    spoolCachedMs,
    asking(() => probeSpool(parts.bucket.spoolFolder), parts.log),
  )
  const check = async (): Promise<HealthReport> => {
    const [database, bucket, spool] = await Promise.all([askDatabase(), askBucket(), askSpool()])
    const status = database === 'ok' && bucket === 'ok' && spool === 'ok' ? 'ok' : 'unavailable'
    if (status !== before) parts.log[status === 'ok' ? 'info' : 'error']({ database, bucket, spool }, `health is ${status}`)
    before = status
    return {
      status,
      version: parts.version,
      database: { status: database },
      bucket: { status: bucket, kind: parts.bucket.kind },
      spool: { status: spool },
    }
  }
  return cached(parts.clock, cachedMs, check)
}

/** The same answer to everybody who asks within that time. */
function cached<T>(clock: Clock, ms: number, ask: () => Promise<T>): () => Promise<T> {
  let latest: Promise<T> | null = null
  let askedAt = Number.NEGATIVE_INFINITY
  return () => {
    const now = clock.monotonic()
    if (latest === null || now - askedAt >= ms) {
      askedAt = now
      latest = ask()
    }
    return latest
  }
}

/** Asks a part, for `limitMs`. A question that it has not answered yet is not asked again: those that wait would take up its connections. */
function asking(probe: (signal: AbortSignal) => Promise<void>, log: Log): () => Promise<PartState> {
  let open: Promise<PartState> | null = null
  return async () => {
    const limit = AbortSignal.timeout(limitMs)
    open ??= probe(limit)
      .then(
        () => 'ok',
        (error: unknown) => {
          log.debug({ err: error }, 'a health probe failed')
          return error instanceof UnavailableError ? error.code : 'error'
        },
      )
      .finally(() => {
        open = null
      })
    const timeout = new Promise<'timeout'>((resolve) => limit.addEventListener('abort', () => resolve('timeout'), { once: true }))
    return Promise.race([open, timeout])
  }
}
