// One run of the postgres program: started, its log lines handed on, asked to end. Who starts it again stands in embedded-postgres.ts.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { createInterface } from 'node:readline'
import type { Log } from '../../base/index.ts'
import type { Binaries } from './binaries.ts'
import { type ClusterPlace, childEnvironment } from './cluster.ts'
import type { Identity } from './identity.ts'

export interface PostmasterOptions {
  readonly place: ClusterPlace
  readonly binaries: Binaries
  readonly identity: Identity
  readonly socketFolder: string
  readonly log: Log
  /** Settings of postgresql.conf that go before ours (tests: fsync off). */
  readonly settings?: Readonly<Record<string, string>>
}

/** For one server with some tens of connections on a machine that it shares with Stemma itself; durability settings are PostgreSQL's. */
const settings: Readonly<Record<string, string>> = {
  listen_addresses: '',
  max_connections: '100',
  shared_buffers: '128MB',
  effective_cache_size: '1GB',
  maintenance_work_mem: '64MB',
  // Commits must be on disk when they are acknowledged.
  fsync: 'on',
  synchronous_commit: 'on',
  full_page_writes: 'on',
  // After a crash: one flush of the file system instead of opening every file.
  recovery_init_sync_method: 'syncfs',
  // Tails of packs (up to 256 KiB each) go through the log: room for some thousand of them between checkpoints.
  max_wal_size: '2GB',
  min_wal_size: '128MB',
  checkpoint_timeout: '10min',
  // Short statements only: neither compiling nor helper processes pay.
  jit: 'off',
  max_parallel_workers_per_gather: '0',
  io_method: 'sync',
  random_page_cost: '1.1',
  log_line_prefix: '',
  log_checkpoints: 'off',
  log_timezone: 'UTC',
  timezone: 'UTC',
}

const stopSignals = [
  ['SIGINT', 30_000],
  ['SIGQUIT', 5_000],
  ['SIGKILL', 5_000],
] as const
export const longestStopMs = stopSignals.reduce((sum, [, waitMs]) => sum + waitMs, 0)

export class Postmaster {
  readonly #process: ChildProcess
  readonly #exit: Promise<string>
  readonly #lastLines: string[] = []
  #ended: string | null = null

  constructor(options: PostmasterOptions) {
    const flags = ['-D', options.place.cluster, '-c', `unix_socket_directories=${quotedFolder(options.socketFolder)}`]
    for (const [name, value] of Object.entries({ ...settings, ...options.settings })) flags.push('-c', `${name}=${value}`)
    const command = options.identity.command(options.binaries.postgres, flags)
    this.#process = spawn(command.program, command.args, {
      env: childEnvironment(options.binaries),
      cwd: '/',
      stdio: ['ignore', 'ignore', 'pipe'],
      // Its own process group: Ctrl-C in a terminal goes to us, and we stop it after the last request.
      detached: true,
    })
    this.#exit = this.#awaitExit()
    if (this.#process.stderr !== null) {
      createInterface({ input: this.#process.stderr }).on('line', (line) => {
        this.#lastLines.push(line)
        if (this.#lastLines.length > 20) this.#lastLines.shift()
        forward(line, options.log)
      })
    }
  }

  get pid(): number | undefined {
    return this.#process.pid
  }

  /** How it ended, or null while it runs. */
  get ended(): string | null {
    return this.#ended
  }

  get lastWords(): string {
    return this.#lastLines.join('\n')
  }

  /** Resolves with how it ended; never rejects. */
  exit(): Promise<string> {
    return this.#exit
  }

  /**
   * Fast shutdown: ends sessions, writes a checkpoint. Harsher signals when that takes too long; the log then is replayed at next start.
   * Resolves after `longestStopMs` at the latest.
   */
  async stop(): Promise<void> {
    for (const [signal, waitMs] of stopSignals) {
      if (this.#ended !== null) return
      this.#process.kill(signal)
      const timer = new AbortController()
      const timeout = sleep(waitMs, undefined, { signal: timer.signal }).catch(() => {})
      await Promise.race([this.#exit, timeout])
      timer.abort()
    }
  }

  async #awaitExit(): Promise<string> {
    let how: string
    try {
      const [code, signal] = (await once(this.#process, 'exit')) as [number | null, NodeJS.Signals | null]
      how = signal === null ? `exit code ${code}` : `signal ${signal}`
    } catch (error) {
      how = `it could not be started: ${String(error)}`
    }
    this.#ended = how
    return how
  }
}

/** unix_socket_directories is a comma-separated list. */
function quotedFolder(folder: string): string {
  return `"${folder.replaceAll('"', '""')}"`
}

const levels: Readonly<Record<string, 'debug' | 'info' | 'warn' | 'error'>> = {
  LOG: 'debug',
  WARNING: 'warn',
  ERROR: 'debug',
  FATAL: 'debug',
  PANIC: 'error',
}

/** ERROR and FATAL lines (a failed query, a refused session) are debug: whoever asked is told of them. */
function forward(line: string, log: Log): void {
  const severity = /^([A-Z]+):/.exec(line)?.[1]
  log[levels[severity ?? ''] ?? 'debug']({ part: 'postgresql' }, line)
}
