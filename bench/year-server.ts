// The server of year.ts: pushes as replay.ts has them, and what is stored, written and kept meanwhile.
import { execFileSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import { openDatabase } from '../tests/support/database.ts'
import type { TempFolder } from '../tests/support/git.ts'
import type { Server } from '../tests/support/server.ts'
import { push, zeroId } from '../tests/support/wire.ts'
import type { ReplayedPush } from './replay.ts'
import { median } from './table.ts'

export interface Clone {
  readonly wallMs: number
  /** Of the server. */
  readonly cpuMs: number
}

export interface Figures {
  readonly pushes: number
  readonly ingested: number
  /** Whole values: packs with their indexes. */
  readonly stored: number
  /** Packs alone. */
  readonly packed: number
  readonly tables: number
  readonly packs: number
  readonly keys: number
  readonly puts: number
  readonly written: number
  readonly clone: Clone
  /** Of the server, background work too, since it began. */
  readonly cpuMs: number
}

const name = 'year'

/** A server that is pushed to, and what is stored, written and kept there meanwhile. */
export class Year {
  readonly #server: Server
  readonly #folder: TempFolder
  readonly #url: string
  /** Every key that was seen, with its size. */
  readonly #written = new Map<string, number>()
  readonly #others = new Set<string>()
  #db: pg.Client
  #clones = 0
  #cpuBefore = 0
  ingested = 0
  pushes = 0

  private constructor(server: Server, folder: TempFolder, url: string, db: pg.Client) {
    this.#server = server
    this.#folder = folder
    this.#url = url
    this.#db = db
  }

  static async start(server: Server, folder: TempFolder): Promise<Year> {
    return new Year(server, folder, await server.create(name), await openDatabase(server))
  }

  async push({ deleted, new: tip, old, ref }: ReplayedPush, pack: Buffer): Promise<void> {
    const commands = [{ old: old ?? zeroId, new: tip, ref }, ...deleted.map(({ name, oid }) => ({ old: oid, new: zeroId, ref: name }))]
    const report = await push(this.#url, commands, pack)
    const refused = commands.find((command) => report.refs.get(command.ref) !== 'ok')
    if (refused) throw new Error(`push ${this.pushes}, ${refused.ref}: ${report.unpack} ${report.text} ${report.refs.get(refused.ref)}`)
    this.ingested += pack.length
    this.pushes++
  }

  /** Looks into the bucket: oftener than keys that were replaced go. */
  look(): void {
    for (const { path, sizeBytes } of this.#server.bucketFiles())
      if (/\/bucket\/(pack|history)\//.test(path) && !this.#others.has(path)) this.#written.set(path, sizeBytes)
  }

  /** What is new in the bucket is of another repository. */
  lookAway(): void {
    for (const { path } of this.#server.bucketFiles()) if (!this.#written.has(path)) this.#others.add(path)
  }

  async figures(clones = 1): Promise<Figures> {
    const { rows } = await this.#db.query<{ stored: number; packed: number; tables: number; packs: number; keys: number }>(`
      select coalesce(sum(p.size_bytes), 0)::float8 stored, coalesce(sum(p.pack_bytes), 0)::float8 packed, count(*)::int packs, count(p.key)::int keys,
        (select coalesce(sum(size_bytes), 0)::float8 from history h where h.network_id = r.network_id) tables
      from repository r left join pack p using (network_id) where r.name = '${name}' group by r.network_id`)
    this.look()
    const clone = medianClone(Array.from({ length: clones }, () => this.clone(name)))
    const written = [...this.#written.values()].reduce((sum, sizeBytes) => sum + sizeBytes, 0)
    const cpuMs = this.#cpuBefore + this.#server.cpu().serverMs
    const now = rows[0]
    if (!now) throw new Error('the repository is gone')
    return { pushes: this.pushes, ingested: this.ingested, ...now, puts: this.#written.size, written, clone, cpuMs }
  }

  clone(name: string): Clone {
    const path = this.#folder.join(`clone-${this.#clones++}.git`)
    const before = this.#server.cpu().serverMs
    const startedAt = performance.now()
    execFileSync('git', ['clone', '-q', '--bare', this.#server.repositoryUrl(name), path])
    const wallMs = performance.now() - startedAt
    rmSync(path, { recursive: true })
    return { wallMs, cpuMs: this.#server.cpu().serverMs - before }
  }

  /** Until the background has nothing more to do. */
  async settle(): Promise<void> {
    let before = ''
    for (let quiet = 0; quiet < 4; ) {
      await sleep(2500)
      const { rows } = await this.#db.query<{ now: string }>(`
        select (select string_agg(id::text, ',' order by id) from pack) || '|' || coalesce((select string_agg(key, ',') from history), '')
          || '|' || (select count(*) from job where kind like 'repack %') as now`)
      const now = rows[0]?.now ?? ''
      quiet = now === before && now.endsWith('|0') ? quiet + 1 : 0
      before = now
    }
  }

  /** As if an hour had passed; a server that starts looks at all networks. */
  async passAnHour(): Promise<void> {
    await this.#db.query(`update pack set created_at = created_at - interval '61 minutes'`)
    await this.#db.end()
    this.#cpuBefore += this.#server.cpu().serverMs
    await this.#server.stop()
    await this.#server.begin()
    this.#db = await openDatabase(this.#server)
  }

  async end(): Promise<void> {
    await this.#db.end()
  }
}

export function medianClone(clones: readonly Clone[]): Clone {
  return { wallMs: median(clones.map(({ wallMs }) => wallMs)), cpuMs: median(clones.map(({ cpuMs }) => cpuMs)) }
}
