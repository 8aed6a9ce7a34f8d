// How often manifests are pulled, and when last: counted in memory beside the requests, and written now and then, many in one statement. A node that dies
// takes what it had not written yet with it: some seconds' pulls. docs/design/oci-keeping.md, Pulls.
import type { Log } from '../../base/index.ts'
import { type Database, sql } from '../../db/index.ts'

export interface PullSettings {
  /** From one writing to the next. */
  readonly everyMs: number
  /** So many manifests with pulls are written at once, though it isn't time. */
  readonly most: number
}

const defaults: PullSettings = { everyMs: 10_000, most: 5000 }

/** Lives as long as the server. */
export class Pulls {
  readonly #db: Database
  readonly #log: Log
  readonly #settings: PullSettings
  #counts = new Map<string, number>()
  #timer: NodeJS.Timeout | null = null
  #writing: Promise<void> = Promise.resolve()

  constructor(db: Database, log: Log, settings: Partial<PullSettings> = {}) {
    this.#db = db
    this.#log = log
    this.#settings = { ...defaults, ...settings }
  }

  /** A manifest was sent to somebody who asked for it, by tag or by digest. @param digest `sha256:…` */
  count(packageId: number, digest: string): void {
    const key = `${packageId} ${digest}`
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1)
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

  async #write(counts: ReadonlyMap<string, number>): Promise<void> {
    if (counts.size === 0) return
    const rows = [...counts].map(([key, count]) => {
      return { packageId: Number(key.slice(0, key.indexOf(' '))), digest: Buffer.from(key.slice(key.indexOf(':') + 1), 'hex'), count }
    })
    try {
      // locked in one order, so that two nodes' don't wait in a circle; a manifest that is gone is counted nowhere
      await sql`
        with pulled (package_id, digest, count) as (
            select * from unnest(${rows.map((row) => row.packageId)}::bigint[], ${rows.map((row) => row.digest)}::bytea[],
              ${rows.map((row) => row.count)}::bigint[])),
          locked as (
            select m.package_id, m.digest, p.count from oci_manifest m join pulled p using (package_id, digest)
            order by m.package_id, m.digest for no key update of m)
        update oci_manifest m set pull_count = m.pull_count + locked.count, pulled_at = now()
        from locked where m.package_id = locked.package_id and m.digest = locked.digest`.execute(this.#db.queries)
    } catch (error) {
      this.#log.debug({ err: error }, 'pulls could not be written; they are written later')
      if (this.#counts.size < this.#settings.most)
        for (const [key, count] of counts) this.#counts.set(key, (this.#counts.get(key) ?? 0) + count)
      this.#timer ??= setTimeout(() => void this.write(), this.#settings.everyMs).unref()
    }
  }
}
