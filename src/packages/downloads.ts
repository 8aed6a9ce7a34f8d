// How often versions are downloaded, by day, and when last: counted in memory beside the requests, and written now and then, many in one statement. A node that
// dies takes what it had not written yet with it: some seconds' downloads.
import type { Log } from '../base/index.ts'
import { type Database, sql } from '../db/index.ts'
import type { VersionId } from './version-rows.ts'

export interface DownloadSettings {
  /** From one writing to the next. */
  readonly everyMs: number
  /** So many versions with downloads are written at once, though it isn't time. */
  readonly most: number
}

const defaults: DownloadSettings = { everyMs: 10_000, most: 5000 }

/** Lives as long as the server. */
export class Downloads {
  readonly #db: Database
  readonly #log: Log
  readonly #settings: DownloadSettings
  #counts = new Map<VersionId, number>()
  #timer: NodeJS.Timeout | null = null
  #writing: Promise<void> = Promise.resolve()

  constructor(db: Database, log: Log, settings: Partial<DownloadSettings> = {}) {
    this.#db = db
    this.#log = log
    this.#settings = { ...defaults, ...settings }
  }

  /** One of the version's files was sent, whole, to somebody who asked for it. */
  count(version: VersionId): void {
    this.#counts.set(version, (this.#counts.get(version) ?? 0) + 1)
    if (this.#counts.size >= this.#settings.most) void this.write()
    else this.#timer ??= setTimeout(() => void this.write(), this.#settings.everyMs).unref()
  }

  /** Writes what was counted so far; what can't be written is counted on. */
  write(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    const counts = this.#counts
    this.#counts = new Map()
    this.#writing = this.#writing.then(() => this.#write(counts))
    return this.#writing
  }

  /** Writes what is left. */
  close(): Promise<void> {
    return this.write()
  }

  async #write(counts: ReadonlyMap<VersionId, number>): Promise<void> {
    if (counts.size === 0) return
    try {
      // locked in one order, so that two nodes' don't wait in a circle; a version that is gone is counted nowhere
      await sql`
        with counted (id, count) as (select * from unnest(${[...counts.keys()]}::bigint[], ${[...counts.values()]}::bigint[])),
          locked as (
            select v.id, c.count from package_version v join counted c using (id) order by v.id for no key update of v),
          added as (
            update package_version v set download_count = v.download_count + locked.count, downloaded_at = now() from locked where v.id = locked.id)
        insert into package_download_day (version_id, day, count) select id, current_date, count from locked order by id
        on conflict (version_id, day) do update set count = package_download_day.count + excluded.count`.execute(this.#db.queries)
    } catch (error) {
      this.#log.debug({ err: error }, 'downloads could not be written; they are written later')
      if (this.#counts.size < this.#settings.most)
        for (const [id, count] of counts) this.#counts.set(id, (this.#counts.get(id) ?? 0) + count)
      this.#timer ??= setTimeout(() => void this.write(), this.#settings.everyMs).unref()
    }
  }
}
