// The server, put together: config → database → bucket → rooms → listen → drain. The only place where rooms meet.
import { join } from 'node:path'
import { makeGate } from './access/index.ts'
import { registerApi } from './api/index.ts'
import { type Log, systemClock, systemRandomness, UnavailableError } from './base/index.ts'
import { type BucketConfig as OpenBucketConfig, type Bucket, openBucket } from './bucket/index.ts'
import type { Config } from './config.ts'
import { Database, EmbeddedPostgres, ensureAdministrator, lockFolder, longestStopMs, migrate } from './db/index.ts'
import { Endings } from './endings.ts'
import { makeHealth } from './health.ts'
import { type Listener, makeListener, plainForm } from './http/index.ts'
import { JobRunner, orphanSweeper } from './jobs/index.ts'
import { GitRoom, registerGit } from './git/index.ts'
import { version } from './version.ts'

/** A server that answers requests. */
export interface RunningServer {
  /** Where it listens. */
  readonly url: string
  /** Process id of the embedded PostgreSQL; undefined without one. For tests. */
  readonly databasePid: number | undefined
  /**
   * Lets running requests end, then ends everything in the order opposite to the start's. Ends in a bounded time: a part that hangs is
   * logged and left. May be called once.
   */
  close(): Promise<void>
}

export interface StartOptions {
  readonly config: Config
  readonly log: Log
  /** Is given the first administrator's token, once. */
  readonly showToken: (secret: string) => void
}

/** What a part with a time limit of its own may take beyond it. */
const slackMs = 5000
/** For queries under way when the server ends; their requests are gone by then. */
const databaseCloseMs = 5000

/** Resolves when requests are taken. What was begun is ended again when a part can't start; that part's error is thrown. */
export async function startServer(options: StartOptions): Promise<RunningServer> {
  const endings = new Endings(options.log)
  try {
    return await startParts(options, endings)
  } catch (error) {
    await endings.run()
    throw error
  }
}

async function startParts({ config, log, showToken }: StartOptions, endings: Endings): Promise<RunningServer> {
  const folderLock = await lockFolder(config.data)
  endings.add('data folder', () => folderLock.release())
  const embedded = config.database.url === null ? await EmbeddedPostgres.start({ folder: join(config.data, 'postgres'), log }) : null
  if (embedded !== null) endings.add('PostgreSQL', () => embedded.stop(), longestStopMs + slackMs)
  const url = config.database.url ?? embedded?.url ?? ''
  const [bucket] = await Promise.all([
    openBucket(bucketConfig(config), { clock: systemClock, randomness: systemRandomness }),
    migrate({ url, log, mayApply: config.database.migrate }),
  ])
  endings.add('bucket', () => bucket.close())
  const database = new Database({ url, poolSize: config.database.poolSize, log, isPreparing: config.database.prepare })
  endings.add('database', () => database.close(databaseCloseMs), databaseCloseMs + slackMs)
  const secret = await ensureAdministrator(database, config.adminToken, systemRandomness)
  if (secret !== null) showToken(secret)
  const gate = makeGate({ db: database, clock: systemClock, log, isCreatingOnPush: config.git.createOnPush })
  endings.add('gate', () => gate.close())
  const listener = makeListener({
    gate,
    log,
    randomness: systemRandomness,
    limits: {
      drainMs: config.drainTimeoutMs,
      headerTimeoutMs: config.limits.headersTimeoutMs,
      jsonBodyBytes: config.limits.jsonBytes,
      stallTimeoutMs: config.limits.idleTimeoutMs,
    },
    trustProxy: config.http.trustProxy,
  })
  mountHealth(listener, { database, bucket, log })
  const git = makeGit(config, { db: database, bucket, log })
  endings.add('git', () => git.close(), 10_000)
  registerGit(listener, git)
  registerApi(listener, { db: database, publicUrl: config.publicUrl, version })
  const jobs = new JobRunner({ database, randomness: systemRandomness, log, jobs: [orphanSweeper(database, bucket, log)] })
  endings.add('background work', () => jobs.stop(), 10_000)
  endings.add('listener', () => listener.close(), config.drainTimeoutMs + slackMs)
  const listening = await listen(listener, config.listen)
  jobs.start()
  return {
    url: config.publicUrl ?? listening,
    get databasePid() {
      return embedded?.pid
    },
    close: () => endings.run(),
  }
}

/** A port that is taken, a host that isn't ours: one line for the operator. */
async function listen(listener: Listener, address: Config['listen']): Promise<string> {
  try {
    return await listener.listen(address)
  } catch (cause) {
    if (!(cause instanceof Error && 'syscall' in cause)) throw cause
    throw new UnavailableError('listen', `cannot listen on ${address.host}:${address.port}: ${cause.message}`, { cause })
  }
}

function bucketConfig(config: Config): OpenBucketConfig {
  return config.bucket.kind === 'filesystem' ? config.bucket : { ...config.bucket, spoolFolder: join(config.data, 'spool') }
}

function makeGit(config: Config, parts: { db: Database; bucket: Bucket; log: Log }): GitRoom {
  return new GitRoom({
    ...parts,
    bucketConfig: bucketConfig(config),
    clock: systemClock,
    randomness: systemRandomness,
    cache: config.cache,
    threads: config.workers.count,
    limits: { ...config.limits, memoryBytes: config.workers.memoryBytes },
    tailBytes: config.git.tailBytes,
    agent: `stemma/${version}`,
  })
}

function mountHealth(listener: Listener, parts: { database: Database; bucket: Bucket; log: Log }): void {
  const health = makeHealth({ ...parts, clock: systemClock, version })
  listener.room({ form: plainForm, body: 'json' }, (routes) => {
    routes.get('/health', { config: { access: 'public' } }, async (_request, reply) => {
      const report = await health()
      return reply
        .code(report.status === 'ok' ? 200 : 503)
        .header('cache-control', 'no-store')
        .send(report)
    })
  })
}
