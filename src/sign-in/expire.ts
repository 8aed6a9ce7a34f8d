// What of signing in has expired leaves: sessions, tokens of CI jobs and for LFS over SSH, sign-ins that nobody finished, clients
// that waited for one, id-tokens that were exchanged.
import { type Database, sql } from '../db/index.ts'
import type { Job } from '../jobs/index.ts'
import { expireExchanges } from './ci-exchange.ts'
import { expireAttempts } from './oidc.ts'

export function expireSignIns(db: Database): Job {
  return {
    kind: 'expire-sign-ins',
    intervalMs: 600_000,
    run: async () => {
      await expireAttempts(db)
      await expireExchanges(db)
      await db.queries.deleteFrom('client_login').where('expires_at', '<', sql<Date>`now()`).execute()
      await db.queries
        .deleteFrom('token')
        .where('kind', 'in', ['session', 'ci', 'lfs'])
        .where('expires_at', '<', sql<Date>`now() - interval '1 day'`)
        .execute()
    },
  }
}
