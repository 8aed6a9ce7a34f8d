// How often manifests are pulled, and when last. docs/design/oci-keeping.md, Pulls.
import type { Log } from '../../base/index.ts'
import { type Database, sql } from '../../db/index.ts'
import { Tally, type TallySettings } from '../../packages/index.ts'

/** Lives as long as the server. */
export class Pulls {
  /** By the package's id and the digest's digits. */
  readonly #tally: Tally<string>

  constructor(db: Database, log: Log, settings: Partial<TallySettings> = {}) {
    this.#tally = new Tally({ log, what: 'pulls', save: (counts) => save(db, counts) }, settings)
  }

  /** A manifest was sent to somebody who asked for it, by tag or by digest. @param digest `sha256:…` */
  count(packageId: number, digest: string): void {
    this.#tally.count(`${packageId} ${digest}`)
  }

  /** As `Tally.write`. */
  write(): Promise<void> {
    return this.#tally.write()
  }
}

/** Locked in one order, so that two nodes' don't wait in a circle; a manifest that is gone is counted nowhere. */
async function save({ queries }: Database, counts: ReadonlyMap<string, number>): Promise<void> {
  const rows = [...counts].map(([key, count]) => {
    return { packageId: Number(key.slice(0, key.indexOf(' '))), digest: Buffer.from(key.slice(key.indexOf(':') + 1), 'hex'), count }
  })
  await sql`
    with pulled (package_id, digest, count) as (
        select * from unnest(${rows.map((row) => row.packageId)}::bigint[], ${rows.map((row) => row.digest)}::bytea[],
          ${rows.map((row) => row.count)}::bigint[])),
      locked as (
        select m.package_id, m.digest, p.count from oci_manifest m join pulled p using (package_id, digest)
        order by m.package_id, m.digest for no key update of m)
    update oci_manifest m set pull_count = m.pull_count + locked.count, pulled_at = now()
    from locked where m.package_id = locked.package_id and m.digest = locked.digest`.execute(queries)
}
