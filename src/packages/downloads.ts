// How often versions are downloaded, by day, and when last.
import type { Log } from '../base/index.ts'
import { type Database, sql } from '../db/index.ts'
import { Tally, type TallySettings } from './tally.ts'
import type { VersionId } from './version-rows.ts'

/** Lives as long as the server. */
export class Downloads {
  readonly #tally: Tally<VersionId>

  constructor(db: Database, log: Log, settings: Partial<TallySettings> = {}) {
    this.#tally = new Tally({ log, what: 'downloads', save: (counts) => save(db, counts) }, settings)
  }

  /** One of the version's files was sent, whole, to somebody who asked for it. */
  count(version: VersionId): void {
    this.#tally.count(version)
  }

  /** As `Tally.write`. */
  write(): Promise<void> {
    return this.#tally.write()
  }
}

/** Locked in one order, so that two nodes' don't wait in a circle; a version that is gone is counted nowhere. */
async function save({ queries }: Database, counts: ReadonlyMap<VersionId, number>): Promise<void> {
  await sql`
    with counted (id, count) as (select * from unnest(${[...counts.keys()]}::bigint[], ${[...counts.values()]}::bigint[])),
      locked as (
        select v.id, c.count from package_version v join counted c using (id) order by v.id for no key update of v),
      added as (
        update package_version v set download_count = v.download_count + locked.count, downloaded_at = now() from locked where v.id = locked.id)
    insert into package_download_day (version_id, day, count) select id, current_date, count from locked order by id
    on conflict (version_id, day) do update set count = package_download_day.count + excluded.count`.execute(queries)
}
