// What the simulated runs of one process share: a PostgreSQL database, a bucket folder, and for each of two nodes worker threads, which are slow to start.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { compileKernel } from '../../../kernels/index.ts'
import { makeLog, systemClock, systemRandomness, WorkerPool } from '../../../src/base/index.ts'
import { type Bucket, type Key, openBucket } from '../../../src/bucket/index.ts'
import { Database, sql } from '../../../src/db/index.ts'
import { sharedVectors } from '../../../src/store/replay/vectors.ts'
import { makeAccount, type TestAccount } from '../../support/accounts.ts'
import { type TestDatabase, testDatabase } from '../../support/test-database.ts'
import { bucketOf, type NodePool } from './node.ts'
import { WorkerFaults } from './worker-faults.ts'

/** No power fails here: what is only in memory does, and costs no waiting for a disk. */
const memoryFolder = '/dev/shm'

/** Columns that say when something begins or ends. */
const times: Readonly<Record<string, readonly string[]>> = {
  upload_intent: ['expires_at'],
  key_deletion: ['not_before'],
  job: ['leased_until', 'due_at'],
  reflog: ['at'],
  past_root: ['at'],
  network_review: ['due_at'],
  content: ['leased_until'],
  content_review: ['due_at'],
  content_upload: ['touched_at', 'adding_until'],
  content_whole: ['read_at'],
  content_opening: ['due_at'],
  segment: ['draining_since', 'review_at'],
  oci_blob: ['leased_until'],
  oci_manifest: ['pushed_at', 'confirmed_at'],
  oci_review: ['noted_at'],
}

/** What one node at a time has, and the next one after it. */
export interface Seat {
  readonly workers: WorkerPool
  /** The content store's. */
  readonly storeWorkers: WorkerPool
  readonly faults: WorkerFaults
  /** Connections that a node has left in order. */
  pool: NodePool | null
}

export class World {
  readonly folder: string
  readonly db: TestDatabase
  /** Without faults: the judge's. */
  readonly bucket: Bucket
  readonly account: TestAccount
  readonly seats: readonly Seat[]
  #pools = 0

  private constructor(folder: string, db: TestDatabase, bucket: Bucket, account: TestAccount) {
    this.folder = folder
    this.db = db
    this.bucket = bucket
    this.account = account
    this.seats = [0, 1].map(() => startSeat(folder))
  }

  static async open(): Promise<World> {
    const folder = mkdtempSync(join(existsSync(memoryFolder) ? memoryFolder : tmpdir(), 'stemma-simulation-'))
    mkdirSync(join(folder, 'bucket'))
    const db = await testDatabase(4)
    const bucket = await openBucket(bucketOf(folder), { clock: systemClock, randomness: systemRandomness })
    return new World(folder, db, bucket, await makeAccount(db.database, 'admin', true))
  }

  /** PostgreSQL's processes that wait for a lock that somebody else has. */
  async lockedProcesses(): Promise<ReadonlySet<number>> {
    const { rows } = await sql<{ pid: number }>`
      select pid from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock' and cardinality(pg_blocking_pids(pid)) > 0`.execute(
      this.db.database.queries,
    )
    return new Set(rows.map(({ pid }) => pid))
  }

  /** So many hours pass: leases end, deletions are due, reflogs grow old. Rows that a transaction has locked stay as they are. */
  async hoursPass(hours: number): Promise<void> {
    const ages = Object.entries(times).map(([table, columns]) => {
      const earlier = columns.map((column) => sql`${sql.ref(column)} = ${sql.ref(column)} - ${hours} * interval '1 hour'`)
      const free = sql`select ctid from ${sql.table(table)} for update skip locked`
      return sql`${sql.ref(`aged_${table}`)} as (update ${sql.table(table)} set ${sql.join(earlier)} where ctid in (${free}))`
    })
    await sql`with ${sql.join(ages)} select 1`.execute(this.db.database.queries)
  }

  /** Whether the lease of a key that is being written holds; parts of uploads have a mark in place of an intent, for a day. */
  async isUnderWay(key: Key): Promise<boolean> {
    if (key.startsWith('whole/')) return true
    const { rows } = await sql`select from upload_intent where key = ${key} and expires_at > now()`.execute(this.db.database.queries)
    return rows.length > 0
  }

  /** Empty folders of keys that have gone: each list of keys would walk through all that there ever were. */
  removeFolders(): void {
    const { folder } = bucketOf(this.folder)
    for (const name of readdirSync(folder)) if (name !== 'tmp') rmSync(join(folder, name), { recursive: true })
  }

  /** Connections for a node: another's, or new ones. */
  takePool(seat: Seat): NodePool {
    const { pool } = seat
    seat.pool = null
    const applicationName = `node-${this.#pools++}`
    const url = `${this.db.url}${this.db.url.includes('?') ? '&' : '?'}application_name=${applicationName}`
    return pool ?? { applicationName, db: new Database({ url, poolSize: 8, log: makeLog('silent') }) }
  }

  async close(): Promise<void> {
    for (const { pool } of this.seats) await pool?.db.close()
    await Promise.all(this.seats.flatMap(({ workers, storeWorkers }) => [workers.close(), storeWorkers.close()]))
    await this.bucket.close()
    await this.db.close()
    rmSync(this.folder, { recursive: true, force: true })
  }
}

function startSeat(folder: string): Seat {
  const faults = new WorkerFaults()
  const data = {
    bucket: bucketOf(folder),
    kernel: compileKernel(),
    cacheMemoryBytes: 0,
    cacheDisk: null,
    vectors: sharedVectors(),
    faults: faults.shared,
  }
  const start = (module: string): WorkerPool => {
    const workers = new WorkerPool({
      entry: new URL('./faulty-worker.ts', import.meta.url),
      data: { ...data, module: new URL(module, import.meta.url).href },
      threads: 1,
      onCrash: (error) => makeLog('error').error({ err: error }, 'a worker thread ended by itself'),
    })
    workers.warm()
    return workers
  }
  return { workers: start('../../../src/git/worker.ts'), storeWorkers: start('../../../src/store/worker.ts'), faults, pool: null }
}
