// Pulls by day are told for a year; what is older goes.
import { type Database, sql } from '../../db/index.ts'
import type { Job } from '../../jobs/index.ts'

const keptFor = sql`interval '400 days'`

/** As leased work of one node. */
export function pullTrimmer(db: Database): Job {
  return {
    kind: 'trim-pulls',
    intervalMs: 6 * 3600_000,
    run: async () => {
      await sql`delete from oci_pull_day where day < (now() at time zone 'UTC')::date - ${keptFor}`.execute(db.queries)
    },
  }
}
