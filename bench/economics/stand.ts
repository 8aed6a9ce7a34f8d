// What is measured: a server (or several) on Ceph RGW through a counting proxy, and PostgreSQL; everything is fresh, and goes at the end.
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { openDatabase } from '../../tests/support/database.ts'
import { runProcess, type TempFolder } from '../../tests/support/git.ts'
import { openSharedStorage, type SharedStorage } from '../../tests/support/nodes.ts'
import { Server } from '../../tests/support/server.ts'
import { between, type BucketCounts, CountingProxy } from './counting-proxy.ts'

const command = fileURLToPath(new URL('../../bin/stemma', import.meta.url))
/** Longer than background work waits before it looks for more. */
const quietMs = 8000

/** What was asked of the bucket, and how the database grew. */
export interface Cost {
  readonly counts: BucketCounts
  /** Of `pg_database_size`: whole pages, dead rows and indexes too. */
  readonly databaseBytes: number
  readonly ms: number
}

export class Stand {
  readonly server: Server
  readonly proxy: CountingProxy
  readonly storage: SharedStorage
  readonly #env: Readonly<Record<string, string>>
  #db: pg.Client

  private constructor(server: Server, proxy: CountingProxy, storage: SharedStorage, env: Readonly<Record<string, string>>, db: pg.Client) {
    this.server = server
    this.proxy = proxy
    this.storage = storage
    this.#env = env
    this.#db = db
  }

  static async open(folder: TempFolder, name: string): Promise<Stand> {
    const storage = await openSharedStorage()
    const proxy = await CountingProxy.open(storage.env.STEMMA_BUCKET_S3_ENDPOINT ?? '')
    const env = { ...storage.env, STEMMA_BUCKET_S3_ENDPOINT: proxy.url }
    const server = await Server.start({ data: folder.join(name), env })
    return new Stand(server, proxy, storage, env, await openDatabase(server))
  }

  async query<T extends pg.QueryResultRow>(text: string, values: readonly unknown[] = []): Promise<T[]> {
    return (await this.#db.query<T>(text, [...values])).rows
  }

  /** A node that has nothing in its caches. */
  async forget(): Promise<void> {
    await this.server.stop()
    rmSync(join(this.server.data, 'cache'), { recursive: true, force: true })
    await this.server.begin()
    await this.settle()
  }

  /** What it costs until it has ended, and what the background does of it afterwards until all is quiet. */
  async measure(work: () => Promise<unknown>): Promise<{ readonly until: Cost; readonly after: Cost }> {
    const cost = async (of: () => Promise<unknown>): Promise<Cost> => {
      const [counts, bytes, startedAt] = [this.proxy.counts, await this.#databaseBytes(), performance.now()]
      await of()
      const ms = performance.now() - startedAt
      return { counts: between(this.proxy.counts, counts), databaseBytes: (await this.#databaseBytes()) - bytes, ms }
    }
    const until = await cost(work)
    return { until, after: await cost(() => this.settle()) }
  }

  /** The operator's command beside the server; through the same proxy. */
  async stemma(...args: readonly string[]): Promise<string> {
    const env = { PATH: process.env.PATH ?? '', HOME: '/nonexistent', STEMMA_LOG_LEVEL: 'error', ...this.#env }
    const { code, stdout, stderr } = await runProcess(command, [...args, '--data', this.server.data], { env, timeoutMs: 1_800_000 })
    if (code !== 0) throw new Error(`stemma ${args.join(' ')}: ${code}\n${stdout}${stderr}`)
    return stdout
  }

  /** Until the bucket is asked nothing more, nobody works under a lease, and every network's figures are counted. */
  async settle(): Promise<void> {
    for (const { name } of await this.query<{ name: string }>('select name from repository')) {
      await this.server.api('GET', `/api/v3/repos/admin/${name}/storage`)
    }
    for (let quietAt = performance.now(); performance.now() - quietAt < quietMs; await sleep(500)) {
      const [busy] = await this.query('select from job where leased_until > now()')
      if (busy !== undefined || this.proxy.quietMs < 1000) quietAt = performance.now()
    }
  }

  /** As if an hour had passed: keys that were replaced are deleted now. */
  async deleteReplaced(): Promise<void> {
    await this.query(`update key_deletion set not_before = now()`)
    await this.query(`update job set due_at = now() where kind = 'sweep-orphans'`)
    for (let left = 1; left > 0; await sleep(500)) {
      left = (await this.query<{ left: number }>('select count(*)::int as left from key_deletion where not_before <= now()'))[0]?.left ?? 0
    }
  }

  /** Networks look as if nothing had been pushed for an hour. */
  async passAnHour(): Promise<void> {
    await this.query(`update pack set created_at = created_at - interval '61 minutes'`)
    await this.#db.end()
    await this.server.stop()
    await this.server.begin() // looks at all networks
    this.#db = await openDatabase(this.server)
  }

  async close(): Promise<void> {
    await this.#db.end()
    await this.server.stop()
    await this.proxy.close()
    await this.storage.drop()
  }

  async #databaseBytes(): Promise<number> {
    const [row] = await this.query<{ bytes: number }>('select pg_database_size(current_database())::float8 as bytes')
    return row?.bytes ?? 0
  }
}
