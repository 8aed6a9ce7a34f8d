// The two servers that the benchmarks compare, behind one face: Stemma, and `git http-backend` behind Apache.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Git, TempFolder } from '../tests/support/git.ts'
import { Peer } from '../tests/support/peer.ts'
import { memory } from '../tests/support/process.ts'
import { Server } from '../tests/support/server.ts'
import { WarmUp } from './warm.ts'

/** A repository of so many objects gets a table of its history. */
const tableObjects = 10_000

/** CPU time since the start, in milliseconds; `databaseMs` is the embedded PostgreSQL's, NaN where there is none. */
export interface Cpu {
  readonly serverMs: number
  readonly databaseMs: number
}

export interface Contender {
  readonly name: 'stemma' | 'http-backend'
  /** Settings of git for this server (`-c …`). */
  readonly config: readonly string[]
  /** Headers for raw requests. */
  readonly headers: readonly string[]
  /** Makes an empty repository; its URL. */
  create(repository: string): Promise<string>
  /** Holds the whole of a bare repository afterwards: pushed, or for the peer copied with its bitmaps (its best case). */
  fill(repository: string, bare: string): Promise<string>
  remove(repository: string): Promise<void>
  /**
   * Forgets what it keeps in memory. Stemma: a new process, with its code warm unless `isNew` (warm.ts). The peer keeps nothing between requests.
   */
  forget(isNew?: boolean): Promise<void>
  cpu(): Cpu
  /** Watches resident memory until the returned function is called, which tells the peak. */
  watchMemory(): () => number
  stop(): Promise<void>
}

export interface StemmaContender extends Contender {
  readonly server: Server
  /** Waits until what a push of so many objects leaves to do in the background is done. */
  rest(objects: number): Promise<void>
  /** The same data under other settings (STEMMA_…), in a new process. */
  restart(env: Readonly<Record<string, string>>): Promise<void>
}

export async function startStemma(folder: TempFolder, git: Git, env: Readonly<Record<string, string>> = {}): Promise<StemmaContender> {
  const data = folder.join('data')
  let server = await Server.start({ data, env, startTimeoutMs: 120_000 })
  const config = ['-c', server.eagerAuthorization]
  const settle = async (): Promise<void> => {
    // what a start leaves to do (threads that load their code) is no part of what is measured
    let before = server.cpu().serverMs
    for (let tries = 0; tries < 10; tries++) {
      await sleep(200)
      const now = server.cpu().serverMs
      if (now - before < 2) return
      before = now
    }
  }
  /** Until what a push leaves to do in the background is done: a table of the history, where the log tells of one, then some quiet seconds. */
  const rest = async (objects: number): Promise<void> => {
    const tables = (): number => server.output.split('made a history table').length
    const known = tables()
    for (let tries = 0; objects >= tableObjects && tables() === known && tries < 240; tries++) await sleep(500)
    let before = server.cpu().serverMs
    for (let tries = 0, quiet = 0; tries < 30 && quiet < 2; tries++) {
      await sleep(1000)
      const now = server.cpu().serverMs
      quiet = now - before < 40 ? quiet + 1 : 0
      before = now
    }
  }
  const warmUp = new WarmUp(git, folder)
  let warmUrl = ''
  const warm = async (): Promise<void> => {
    const path = await warmUp.repository()
    if (warmUrl === '') {
      await server.create('warm')
      warmUrl = server.repositoryUrl('warm', '')
      await git.run([...config, 'push', '-q', warmUrl, 'main'], { cwd: path })
    }
    await warmUp.run(warmUrl, server.eagerAuthorization.replace('http.extraHeader=Authorization: ', ''))
  }
  const restart = async (settings: Readonly<Record<string, string>>): Promise<void> => {
    await server.stop()
    server = await Server.start({ data, env: { ...env, ...settings }, port: server.port, startTimeoutMs: 120_000 })
    await warm()
    await settle()
  }
  return {
    name: 'stemma',
    get server() {
      return server
    },
    config,
    headers: [server.eagerAuthorization.replace('http.extraHeader=', '')],
    create: async (repository) => {
      await server.create(repository)
      return server.repositoryUrl(repository, '')
    },
    fill: async (repository, bare) => {
      await server.create(repository)
      const url = server.repositoryUrl(repository, '')
      await git.run([...config, 'push', '-q', '--mirror', url], { cwd: bare, timeoutMs: 600_000 })
      const head = (await git.read(['symbolic-ref', 'HEAD'], { cwd: bare })).replace('refs/heads/', '')
      await server.api('PATCH', `/api/v3/repos/admin/${repository}`, { default_branch: head })
      await rest(Number(/in-pack: (\d+)/.exec(await git.read(['count-objects', '-v'], { cwd: bare }))?.[1] ?? 0))
      return url
    },
    remove: async (repository) => {
      const answer = await server.api('DELETE', `/api/v3/repos/admin/${repository}`)
      if (answer.status !== 204) throw new Error(`DELETE ${repository}: ${answer.status}`)
    },
    forget: async (isNew) => {
      await server.stop()
      await server.begin()
      if (!isNew) await warm()
      await settle()
    },
    restart,
    rest,
    cpu: () => server.cpu(),
    watchMemory: () => {
      server.resetPeak()
      return () => server.memory().peakBytes
    },
    stop: async () => void (await server.stop()),
  }
}

export async function startPeer(folder: TempFolder): Promise<Contender> {
  const peer = await Peer.start(folder)
  return {
    name: 'http-backend',
    config: [],
    headers: [],
    create: async (repository) => {
      await peer.create(repository)
      return peer.repositoryUrl(repository)
    },
    fill: async (repository, bare) => {
      await peer.adopt(repository, bare)
      return peer.repositoryUrl(repository)
    },
    remove: (repository) => peer.remove(repository),
    forget: async () => {},
    cpu: () => ({ serverMs: peer.cpuMs() ?? Number.NaN, databaseMs: Number.NaN }),
    watchMemory: () => watchProcesses(() => peer.processes()),
    stop: () => peer.stop(),
  }
}

/** The largest sum of the resident sets of processes that lived at one moment, looked at every 5 ms. */
function watchProcesses(pids: () => number[]): () => number {
  let peakBytes = 0
  const look = (): void => {
    let sum = 0
    for (const pid of pids()) {
      try {
        sum += memory(pid).residentBytes
      } catch {
        // it ended between the listing and this
      }
    }
    peakBytes = Math.max(peakBytes, sum)
  }
  const timer = setInterval(look, 5)
  look()
  return () => {
    clearInterval(timer)
    return peakBytes
  }
}

export interface Sample {
  readonly wallMs: number
  readonly cpu: Cpu
}

/**
 * Runs `act` and measures: its wall time, and the CPU time that the server spent until 150 ms after it (what a server does for a request it may do
 * after its answer).
 */
export async function measure(contender: Contender, act: () => Promise<unknown>): Promise<Sample> {
  const before = contender.cpu()
  const startedAt = performance.now()
  await act()
  const wallMs = performance.now() - startedAt
  await sleep(150)
  const after = contender.cpu()
  return { wallMs, cpu: { serverMs: after.serverMs - before.serverMs, databaseMs: after.databaseMs - before.databaseMs } }
}
