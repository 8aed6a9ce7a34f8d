// Starts and stops the real server (bin/stemma) as an operator would, for tests and benchmarks from the outside.
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { freePort } from './port.ts'
import { cpuMs, descendants, type Memory, memory, processEntry, resetPeak } from './process.ts'

const command = resolve(import.meta.dirname, '../../bin/stemma')
export const adminToken = 'black-box-admin-token-0123456789abcdef'

export interface ServerOptions {
  /** The data folder; made by the server where it is missing. */
  readonly data: string
  /** More environment: DATABASE_URL, STEMMA_…. */
  readonly env?: Readonly<Record<string, string>>
  readonly args?: readonly string[]
  readonly startTimeoutMs?: number
  /** A free one when it isn't said. */
  readonly port?: number
}

/** The servers that tests mirror from are on this machine, as their webhooks' receivers. */
const toLoopback = { STEMMA_OUTBOUND_ALLOW_PRIVATE: '127.0.0.0/8' }

/** What the API answered; `body` is parsed JSON, or the text where it is none. */
export interface ApiAnswer {
  readonly status: number
  readonly headers: Headers
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into whatever came
  readonly body: any
}

export class Server {
  readonly data: string
  /** Where clients reach it: itself, unless a test has put something in front of it. */
  url: string
  readonly token = adminToken
  /** What it was started with beside the test's own environment: commands that work beside it need the same. */
  readonly env: Readonly<Record<string, string>>
  readonly #options: ServerOptions
  readonly #port: number
  #child: ChildProcess | null = null
  #output = ''

  private constructor(options: ServerOptions, port: number) {
    this.#options = options
    this.data = options.data
    this.env = options.env ?? {}
    this.#port = port
    this.url = this.#own
  }

  static async start(options: ServerOptions): Promise<Server> {
    const server = new Server(options, options.port ?? (await freePort()))
    await server.begin()
    return server
  }

  get #own(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  /** Starts it (again) on its data and port; resolves when it says that it is ready and /health answers. */
  async begin(): Promise<void> {
    if (this.#child !== null) throw new Error('the server runs already')
    const args = ['serve', '--data', this.data, '--listen', `127.0.0.1:${this.#port}`, ...(this.#options.args ?? [])]
    // several run side by side: who needs SSH says where
    const own = { STEMMA_SSH_LISTEN: 'off', STEMMA_ADMIN_TOKEN: this.token }
    const env: Record<string, string | undefined> = { ...process.env, ...own, ...toLoopback, ...this.#options.env }
    delete env.NODE_TEST_CONTEXT
    // Ends with the test's process, whatever becomes of that.
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', command, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] })
    this.#child = child
    this.#output = ''
    const collect = (chunk: Buffer): void => {
      this.#output = (this.#output + chunk.toString()).slice(-200_000)
    }
    child.stdout.on('data', collect)
    child.stderr.on('data', collect)
    child.on('error', (error) => collect(Buffer.from(String(error))))
    child.once('exit', () => {
      if (this.#child === child) this.#child = null
    })
    const deadline = performance.now() + (this.#options.startTimeoutMs ?? 120_000)
    while (!(this.#output.includes('Stemma is ready at') && (await this.isHealthy()))) {
      if (this.#child !== child) throw new Error(`the server ended while starting:\n${this.#output}`)
      if (performance.now() > deadline) {
        await this.kill()
        throw new Error(`the server was not ready in time:\n${this.#output}`)
      }
      await new Promise((done) => setTimeout(done, 15))
    }
  }

  /** What it has printed (the last 200,000 characters). */
  get output(): string {
    return this.#output
  }

  get port(): number {
    return this.#port
  }

  get pid(): number {
    const pid = this.#child?.pid
    if (pid === undefined) throw new Error(`the server does not run; it said:\n${this.#output}`)
    return pid
  }

  get isRunning(): boolean {
    return this.#child !== null
  }

  /** SIGTERM, then waits; the exit code. SIGKILL and an error when it takes longer than 20 s. */
  async stop(): Promise<number | null> {
    const child = this.#child
    if (child === null) return null
    const ended = ending(child)
    child.kill('SIGTERM')
    const timer = setTimeout(() => child.kill('SIGKILL'), 20_000)
    await ended
    clearTimeout(timer)
    this.#child = null
    if (child.signalCode === 'SIGKILL') throw new Error(`the server did not stop in 20 s:\n${this.#output}`)
    return child.exitCode
  }

  /** SIGKILL to the server process alone, then waits for its end. */
  async kill(): Promise<void> {
    const child = this.#child
    if (child === null) return
    const ended = ending(child)
    child.kill('SIGKILL')
    await ended
    this.#child = null
  }

  /** The postmaster that this server started, or null (not embedded, or between two of them). */
  databasePid(): number | null {
    return descendants(this.pid).find((entry) => entry.name === 'postgres' && entry.parent === this.pid)?.pid ?? null
  }

  /** SIGKILL to the embedded postmaster; true when there was one. */
  killDatabase(): boolean {
    const pid = this.databasePid()
    if (pid === null || processEntry(pid) === null) return false
    process.kill(pid, 'SIGKILL')
    return true
  }

  /** Resident memory of the server process alone: PostgreSQL is a process of its own. */
  memory(): Memory {
    return memory(this.pid)
  }

  resetPeak(): void {
    resetPeak(this.pid)
  }

  /** CPU time so far: of the server process with all its threads, and of its PostgreSQL processes that live now. */
  cpu(): { readonly serverMs: number; readonly databaseMs: number } {
    const databaseMs = descendants(this.pid).reduce((sum, entry) => sum + cpuMs(entry.pid), 0)
    return { serverMs: cpuMs(this.pid), databaseMs }
  }

  async isHealthy(): Promise<boolean> {
    try {
      const answer = await fetch(`${this.#own}/health`, { signal: AbortSignal.timeout(2000) })
      await answer.arrayBuffer()
      return answer.status === 200
    } catch {
      return false
    }
  }

  /** A request to the API with the administrator's token (another one, or none with ''). */
  async api(method: string, path: string, body?: unknown, token: string = this.token): Promise<ApiAnswer> {
    const headers: Record<string, string> = { accept: 'application/vnd.github+json' }
    if (token !== '') headers.authorization = `Bearer ${token}`
    if (body !== undefined) headers['content-type'] = 'application/json'
    const init: RequestInit = { method, headers, signal: AbortSignal.timeout(30_000) }
    if (body !== undefined) init.body = JSON.stringify(body)
    const answer = await fetch(`${this.url}${path}`, init)
    const text = await answer.text()
    let parsed: unknown = text
    try {
      parsed = JSON.parse(text)
    } catch {
      // not JSON: the text is what there is
    }
    return { status: answer.status, headers: answer.headers, body: parsed }
  }

  /** Makes a repository of the administrator by the API; returns its URL with the token in it. */
  async create(name: string, settings: Readonly<Record<string, unknown>> = {}): Promise<string> {
    const answer = await this.api('POST', '/api/v3/user/repos', { name, ...settings })
    if (answer.status !== 201) throw new Error(`creating ${name}: ${answer.status} ${JSON.stringify(answer.body)}`)
    return this.repositoryUrl(name)
  }

  /** `http://admin:TOKEN@127.0.0.1:PORT/admin/NAME.git`; other credentials, or none with ''. */
  repositoryUrl(name: string, credentials = `admin:${this.token}`): string {
    const at = credentials === '' ? '' : `${credentials}@`
    return `${this.url.replace('//', `//${at}`)}/admin/${name}.git`
  }

  /** Settings for git that send the token with the first request, without git's probing request. */
  get eagerAuthorization(): string {
    return `http.extraHeader=Authorization: Basic ${Buffer.from(`admin:${this.token}`).toString('base64')}`
  }

  /** Every file below the embedded bucket's folder, with its size; empty where there is none. */
  bucketFiles(): { readonly path: string; readonly sizeBytes: number }[] {
    const root = join(this.data, 'bucket')
    if (!existsSync(root)) return []
    return readdirSync(root, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .map((path) => ({ path, sizeBytes: statSync(path, { throwIfNoEntry: false })?.size ?? -1 }))
      .filter((file) => file.sizeBytes >= 0) // it went between the two looks
  }
}

function ending(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve()
  return new Promise((done) => child.once('exit', () => done()))
}
