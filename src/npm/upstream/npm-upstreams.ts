// What of upstreams is npm's business: how their places are written, and what lies in a package.
import { type Database, sql } from '../../db/index.ts'
import type { UpstreamFormat } from '../../packages/index.ts'
import { placeGrammar } from './format/places.ts'

const batchRows = 200

export const npmUpstreams: UpstreamFormat = { ...placeGrammar, name: 'npm', isOwnFirst: true, empty, letGo: async () => {} }

/** In bounded steps; what little has come since goes with the package's row. */
async function empty(db: Database, packageId: number): Promise<void> {
  for (let gone = batchRows; gone === batchRows; ) {
    gone = await db.transaction(
      async (tx) => {
        const { numAffectedRows = 0n } = await sql`
          delete from package_version where id in (
            select id from package_version where package_id = ${packageId} order by id limit ${batchRows} for update)`.execute(tx)
        return Number(numAffectedRows)
      },
      { mayRetry: true },
    )
  }
}
