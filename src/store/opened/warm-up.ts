// Engines that are checked before anybody waits for them, where something is stored that they make again. docs/design/replay.md, The golden rule.
import { type Log, MessageStream, type WorkerPool } from '../../base/index.ts'
import { type Database, sql } from '../../db/index.ts'

export interface WarmUpParts {
  readonly db: Database
  /** Others go first. */
  readonly workers: WorkerPool
  readonly log: Log
}

/** How many were checked. UnavailableError. */
export async function warmUp({ db, workers }: WarmUpParts): Promise<number> {
  const { rows } = await sql`select from content_opened limit 1`.execute(db.queries)
  if (rows.length === 0) return 0
  return workers.run('checkVectors', {}, [], (port) => new MessageStream<number>(port).message())
}

/** The same in so many milliseconds; what is returned ends the wait. Where it fails, each engine is checked when it is needed. */
export function warmUpLater(parts: WarmUpParts, waitMs: number): () => void {
  const timer = setTimeout(() => {
    warmUp(parts).then(
      (engines) => parts.log.debug({ engines }, 'checked the engines that are used most'),
      (error: unknown) => parts.log.debug({ err: error }, 'engines were not checked ahead'),
    )
  }, waitMs)
  timer.unref()
  return () => clearTimeout(timer)
}
