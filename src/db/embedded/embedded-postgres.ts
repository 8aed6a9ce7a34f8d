// The private PostgreSQL 18 of a server without DATABASE_URL: made at the first start, watched, started again when it dies, stopped with us.
// Invariant: the caller holds the data folder's lock (folder-lock.ts), so a PostgreSQL that runs there is ours or an orphan of ours.
import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { type Log, type Randomness, UnavailableError, systemRandomness } from '../../base/index.ts'
import { type Binaries, findBinaries } from './binaries.ts'
import { type ClusterPlace, makeCluster, makeDatabase, makePlace } from './cluster.ts'
import { type Identity, chooseIdentity } from './identity.ts'
import { clearOrphan, killBackends } from './postmaster-pid.ts'
import { Postmaster } from './postmaster.ts'
import { type SocketFolder, makeSocketFolder } from './socket-folder.ts'

export interface EmbeddedOptions {
  /** Its folder, `postgres` below the data folder. */
  readonly folder: string
  readonly log: Log
  readonly randomness?: Randomness
  /** Ends a start that is under way. */
  readonly signal?: AbortSignal
  /** Settings that replace ours (tests). */
  readonly settings?: Readonly<Record<string, string>>
}

/** Answers that mean: it runs, but our role or database isn't there yet. */
const unmade = new Set(['28000', '28P01', '3D000'])
/** Longest wait for a recovery after a crash. */
const startTimeoutMs = 10 * 60_000
/** How long the backends of a dead postmaster have to notice its death by themselves. */
const backendGraceMs = 2000

export class EmbeddedPostgres {
  readonly #options: EmbeddedOptions
  readonly #place: ClusterPlace
  readonly #binaries: Binaries
  readonly #identity: Identity
  readonly #socket: SocketFolder
  #postmaster: Postmaster | null = null
  readonly #stopping = new AbortController()
  #watch: Promise<void> = Promise.resolve()

  private constructor(
    options: EmbeddedOptions,
    parts: { place: ClusterPlace; binaries: Binaries; identity: Identity; socket: SocketFolder },
  ) {
    this.#options = options
    this.#place = parts.place
    this.#binaries = parts.binaries
    this.#identity = parts.identity
    this.#socket = parts.socket
  }

  /**
   * Resolves when it answers queries. The first start makes the cluster (one to three seconds), later ones take about a tenth of a second.
   * Throws the signal's reason when that fires first; nothing runs any more then.
   */
  static async start(options: EmbeddedOptions): Promise<EmbeddedPostgres> {
    const folder = resolve(options.folder)
    const place = await makePlace(folder, options.randomness ?? systemRandomness)
    const binaries = await findBinaries(join(folder, 'lib'))
    const identity = chooseIdentity([binaries.folder, folder])
    const { signal } = options
    signal?.throwIfAborted()
    await makeCluster(place, binaries, identity, signal)
    const socket = await makeSocketFolder(folder, identity)
    const embedded = new EmbeddedPostgres(options, { place, binaries, identity, socket })
    const stop = (): void => void embedded.stop().catch(() => {})
    signal?.addEventListener('abort', stop, { once: true })
    try {
      signal?.throwIfAborted()
      await embedded.#launch()
      signal?.throwIfAborted()
    } catch (error) {
      await embedded.stop()
      signal?.throwIfAborted()
      throw error
    } finally {
      signal?.removeEventListener('abort', stop)
    }
    embedded.#watch = embedded.#keepRunning()
    return embedded
  }

  /** postgresql:// URL of our database as its owner. Stays the same over restarts. */
  get url(): string {
    return this.#url('stemma', 'stemma')
  }

  /** The same as superuser, for tests and `make` targets that create databases. */
  get superuserUrl(): string {
    return this.#url('postgres', 'postgres')
  }

  /** Process id of the running postmaster, for tests that kill it. */
  get pid(): number | undefined {
    return this.#postmaster?.pid
  }

  /** Ends it in order (SIGINT: fast shutdown), also while it is being started again. */
  async stop(): Promise<void> {
    // First: from here on nobody starts another one.
    this.#stopping.abort()
    await this.#postmaster?.stop()
    await this.#watch
    await this.#socket.remove()
  }

  #url(role: string, database: string): string {
    return databaseUrl(role, database, this.#place.password, this.#socket.path)
  }

  /** Starts it and waits until it answers. Once `stop` was called it starts none, and fails when the one that it started was stopped. */
  async #launch(): Promise<void> {
    const begun = performance.now()
    let pauseMs = 50
    for (;;) {
      await this.#clear()
      if (this.#stopping.signal.aborted) throw new UnavailableError('embedded-postgresql', 'the server is stopping')
      // No `await` between the question and this: `stop` stops the one that stands here.
      const postmaster = this.#start()
      this.#postmaster = postmaster
      if (await this.#answers(postmaster, begun + startTimeoutMs)) return
      // The backends of a killed postmaster need a moment to notice; until then their shared memory blocks a new one.
      const isBlocked = /shared memory block|lock file .* already exists/.test(postmaster.lastWords)
      const waitedMs = performance.now() - begun
      if (!isBlocked || waitedMs > startTimeoutMs || this.#stopping.signal.aborted) {
        await postmaster.stop()
        throw new UnavailableError(
          'embedded-postgresql',
          `the embedded PostgreSQL in ${this.#place.folder} did not start (${postmaster.ended ?? 'no answer'}): ${postmaster.lastWords}`,
        )
      }
      this.#options.log.warn(
        { waitedMs: Math.round(waitedMs), reason: postmaster.lastWords },
        'PostgreSQL is barred from starting; trying again',
      )
      if (waitedMs > backendGraceMs) await killBackends(this.#place.cluster, this.#options.log)
      pauseMs = Math.min(pauseMs * 2, 400)
      await this.#pause(pauseMs)
    }
  }

  /** Nothing of ours runs here now: what says so is an orphan's, or came with a copy of the folder. */
  async #clear(): Promise<void> {
    const files = { cluster: this.#place.cluster, socketFolder: this.#socket.path }
    await clearOrphan(files, this.#options.log, this.#stopping.signal)
  }

  #start(): Postmaster {
    return new Postmaster({
      place: this.#place,
      binaries: this.#binaries,
      identity: this.#identity,
      socketFolder: this.#socket.path,
      log: this.#options.log,
      ...(this.#options.settings === undefined ? {} : { settings: this.#options.settings }),
    })
  }

  /** True when it answers as our role; false when it ended first. */
  async #answers(postmaster: Postmaster, deadline: number): Promise<boolean> {
    while (postmaster.ended === null && performance.now() < deadline) {
      const code = await tryConnection(this.url)
      if (code === null) return true
      if (unmade.has(code)) await this.#makeDatabase(postmaster)
      else await Promise.race([sleep(10), postmaster.exit()])
    }
    return false
  }

  async #makeDatabase(postmaster: Postmaster): Promise<void> {
    try {
      await makeDatabase(this.superuserUrl, this.#place.password)
    } catch (error) {
      if (postmaster.ended !== null) return
      await postmaster.stop()
      throw error
    }
  }

  /** Starts it again whenever it ends unasked, with growing pauses; the pool's next connections find it at the same socket. */
  async #keepRunning(): Promise<void> {
    let pauseMs = 100
    for (;;) {
      const how = await this.#postmaster?.exit()
      if (this.#stopping.signal.aborted) return
      this.#options.log.error({ how }, 'the embedded PostgreSQL ended; starting it again')
      try {
        await this.#launch()
        this.#options.log.info('the embedded PostgreSQL runs again')
        pauseMs = 100
      } catch (error) {
        if (this.#stopping.signal.aborted) return
        this.#options.log.error({ err: error, pauseMs }, 'the embedded PostgreSQL could not be started again')
        await this.#pause(pauseMs)
        pauseMs = Math.min(pauseMs * 2, 5000)
      }
    }
  }

  /** Sleeps, but not longer than until `stop`. */
  async #pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#stopping.signal }).catch(() => {})
  }
}

/**
 * URL of the embedded PostgreSQL that another process runs in that folder, for commands beside a running server. UnavailableError
 * 'no-embedded-postgresql' when there is none.
 */
export async function attachEmbedded(folder: string): Promise<string> {
  try {
    const password = (await readFile(join(folder, 'password'), 'latin1')).trim()
    // Line 5 of postmaster.pid is the socket's folder.
    const socketFolder = (await readFile(join(folder, 'cluster', 'postmaster.pid'), 'utf8')).split('\n')[4] ?? ''
    return databaseUrl('stemma', 'stemma', password, socketFolder)
  } catch (cause) {
    throw new UnavailableError('no-embedded-postgresql', `no embedded PostgreSQL runs in ${folder}`, { cause })
  }
}

function databaseUrl(role: string, database: string, password: string, socketFolder: string): string {
  return `postgresql://${role}:${password}@/${database}?host=${encodeURIComponent(socketFolder)}`
}

/** null when a query was answered, else the error's code. */
async function tryConnection(url: string): Promise<string | null> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5000, query_timeout: 5000 })
  client.on('error', () => {})
  try {
    await client.connect()
    await client.query('select 1')
    return null
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
  } finally {
    await client.end().catch(() => {})
  }
}
