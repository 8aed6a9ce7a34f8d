// The server, put together: config → database → bucket → rooms → listen → drain.
import { join } from 'node:path'
import { administrator, ensureAdministrator, Failures, hasWorkingToken, makeGate, RegistryTokens, setServerQuota } from './access/index.ts'
import { type Log, systemClock, systemRandomness } from './base/index.ts'
import { openBucket, sharedRequests } from './bucket/index.ts'
import type { Config } from './config.ts'
import { Database, EmbeddedPostgres, lockFolder, longestStopMs, migrate } from './db/index.ts'
import { Endings } from './endings.ts'
import { mountFaces } from './faces.ts'
import { listenOn } from './listening.ts'
import { listenForMetrics } from './metrics-listener.ts'
import { watchRooms } from './metrics.ts'
import { makeTelemetry } from './telemetry.ts'
import { makeListener, RateLimits } from './http/index.ts'
import { webhookJob, webhookTrimmer } from './hooks/index.ts'
import { JobRunner, orphanSweeper, outboxTrimmer } from './jobs/index.ts'
import {
  collectionJob,
  compactor,
  historyBuilder,
  mirrorJob,
  pathTableBuilder,
  reachedBlobs,
  scrubJob,
  sealMirrors,
  storageCounter,
} from './git/index.ts'
import { pruneJob } from './lfs/index.ts'
import { evictablePackages, openRoots } from './npm/index.ts'
import { collectionJob as ociCollectionJob, evictableImages, pullTrimmer, retentionJob, unfilledJob } from './oci/index.ts'
import { evictionJob } from './packages/index.ts'
import { bucketConfig, makeGit, makeHooks, makeOutbound, makeRemoteClient, makeSsh, makeStore } from './rooms.ts'
import { compareKeys, openSealer } from './secret-key.ts'
import { expireSignIns } from './sign-in/index.ts'
import { sshUrl } from './ssh/index.ts'

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
  /** Ends a start that is under way. */
  readonly signal?: AbortSignal
}

/** What a part with a time limit of its own may take beyond it. */
const slackMs = 5000
/** For queries under way when the server ends; their requests are gone by then. */
const databaseCloseMs = 5000

/**
 * Resolves when requests are taken. What was begun is ended again when a part can't start or the signal fires; that part's error, or the
 * signal's reason, is thrown.
 */
export async function startServer(options: StartOptions): Promise<RunningServer> {
  const endings = new Endings(options.log)
  try {
    const started = await startParts(options, endings)
    options.signal?.throwIfAborted()
    return started
  } catch (error) {
    const told: unknown = options.signal?.aborted === true ? options.signal.reason : error
    await endings.run()
    throw told
  }
}

async function startParts({ config, log, showToken, signal }: StartOptions, endings: Endings): Promise<RunningServer> {
  const { metrics, counters, tracer, exporter } = makeTelemetry(config, log)
  if (exporter !== null) endings.add('traces', () => exporter.close(), 10_000 + slackMs)
  const folderLock = await lockFolder(config.data)
  endings.add('data folder', () => folderLock.release())
  const ending = signal === undefined ? {} : { signal }
  const folder = join(config.data, 'postgres')
  const embedded = config.database.url === null ? await EmbeddedPostgres.start({ folder, log, ...ending }) : null
  if (embedded !== null) endings.add('PostgreSQL', () => embedded.stop(), longestStopMs + slackMs)
  const url = config.database.url ?? embedded?.url ?? ''
  const opening = openBucket(bucketConfig(config), { clock: systemClock, randomness: systemRandomness })
  // Before it is open: it may open while the start ends.
  endings.add('bucket', async () => (await opening.catch(() => null))?.close())
  const [bucket] = await Promise.all([untilAborted(opening, signal), migrate({ url, log, mayApply: config.database.migrate, ...ending })])
  const database = new Database({ url, poolSize: config.database.poolSize, log, isPreparing: config.database.prepare })
  endings.add('database', () => database.close(databaseCloseMs), databaseCloseMs + slackMs)
  const sealer = await openSealer(config, systemRandomness)
  await compareKeys(database, sealer, log)
  await sealMirrors(database, sealer)
  const failures = new Failures(config.limits.rate, systemClock)
  const rates = new RateLimits(config.limits.rate, systemClock)
  const registryTokens = new RegistryTokens(sealer, systemClock)
  const gate = makeGate({ db: database, clock: systemClock, log, isCreatingOnPush: config.git.createOnPush, failures, registryTokens })
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
      slowestBytesPerSecond: config.limits.slowestBytesPerSecond,
      slowGraceMs: config.limits.slowGraceMs,
    },
    trustProxy: config.http.trustProxy,
    rates,
    observer: counters.http,
    tracer,
  })
  const counts = sharedRequests()
  const git = makeGit(config, { db: database, bucket, log, counts })
  endings.add('git', () => git.close(), 10_000)
  const store = makeStore(config, { db: database, bucket, log, counts })
  endings.add('content store', () => store.close(), 10_000)
  let reachedAt = config.publicUrl ?? ''
  const ssh = await makeSsh(config, sealer, { db: database, git, log, rates, httpUrl: () => reachedAt })
  const sshPort = () => ssh?.port ?? null
  const places = () => ({ origin: reachedAt, sshUrl: (name: string) => sshUrl(config.ssh.publicHost, sshPort(), reachedAt, name) })
  const watching = { observe: counters.delivery, tracer }
  const hooks = makeHooks(config, { db: database, git, log, sealer, outbound: makeOutbound(config), places, ...watching })
  const npmRoots = await openRoots(config.npm.trustedRoots)
  const parts = {
    config,
    db: database,
    bucket,
    git,
    store,
    hooks,
    metrics,
    log,
    counts,
    rates,
    failures,
    sshPort,
    registryTokens,
    npmRoots,
  }
  mountFaces(listener, parts)
  watchRooms(metrics, { db: database, bucket, counts, git, exporter })
  const grace = { graceS: config.git.collectGraceMs / 1000 }
  const jobs = new JobRunner({
    database,
    randomness: systemRandomness,
    log,
    observe: counters.job,
    tracer,
    jobs: [
      orphanSweeper(database, bucket, log),
      outboxTrimmer(database),
      webhookJob(hooks),
      webhookTrimmer(hooks),
      compactor(git),
      historyBuilder(git),
      pathTableBuilder(git),
      storageCounter(git),
      scrubJob(git),
      collectionJob(git, grace),
      pruneJob({ db: database, log, reachedBlobs: (...which) => reachedBlobs(git, ...which) }, grace),
      ociCollectionJob({ db: database, log }, { ...config.registry, delayMs: config.registry.collectDelayMs }),
      retentionJob({ db: database, log }, config.registry),
      unfilledJob(database, config.registry.leaseMs),
      pullTrimmer(database),
      evictionJob(database, log, [evictableImages, evictablePackages]),
      store.job(log),
      store.hotJob(log),
      store.scrubJob(log),
      store.openingJob(),
      expireSignIns(database),
      mirrorJob({ parts: git.importParts, client: makeRemoteClient(config), sealer, randomness: systemRandomness, log }),
    ],
  })
  endings.add('background work', () => jobs.stop(), 10_000)
  endings.add('listeners', async () => void (await Promise.all([listener.close(), ssh?.close()])), config.drainTimeoutMs + slackMs)
  signal?.throwIfAborted()
  await setServerQuota(database, config.quota.ownerBytes)
  // A token that was configured is good from the first request on.
  const isConfigured = config.adminToken !== null
  if (isConfigured) await ensureAdministrator(database, config.adminToken, systemRandomness)
  // Every place is had before a word is said, and before the token is made that is shown only once.
  if (config.metrics.listen !== null) endings.add('metrics', await listenForMetrics(metrics, config.metrics.listen))
  const sshPlace = config.ssh.listen
  if (ssh !== null && sshPlace !== null) {
    await listenOn(sshPlace, 'ssh.listen (STEMMA_SSH_LISTEN, or off) says where SSH listens', () => ssh.listen(sshPlace))
  }
  const listening = await listenOn(config.listen, '--listen HOST:PORT (STEMMA_LISTEN) says where to listen', () =>
    listener.listen(config.listen),
  )
  reachedAt ||= listening
  if (ssh !== null) log.info({ host: sshPlace?.host, port: ssh.port }, 'taking SSH connections')
  const secret = isConfigured ? null : await ensureAdministrator(database, null, systemRandomness)
  if (!(await hasWorkingToken(database.queries, administrator, systemClock))) {
    log.warn(`the administrator has no working token; to make one: stemma token create --account ${administrator} --name NAME`)
  }
  if (secret !== null) showToken(secret)
  jobs.start()
  store.warmUpLater()
  return {
    url: reachedAt,
    get databasePid() {
      return embedded?.pid
    },
    close: () => endings.run(),
  }
}

/** What comes of the work, unless the signal fires first: its reason. */
async function untilAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work
  const aborted = Promise.withResolvers<never>()
  const abort = (): void => aborted.reject(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  if (signal.aborted) abort()
  return Promise.race([work, aborted.promise]).finally(() => signal.removeEventListener('abort', abort))
}
