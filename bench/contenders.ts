// The two servers that bench/run.ts compares, behind one face: Stemma, and `git http-backend` behind Apache.
import { setTimeout as sleep } from 'node:timers/promises'
import { type Git, runProcess, type TempFolder } from '../tests/support/git.ts'
import { Peer } from '../tests/support/peer.ts'
import { Server } from '../tests/support/server.ts'

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
  /** Makes an empty repository. */
  create(repository: string): Promise<string>
  /** Holds the whole of a bare repository afterwards: pushed, or for the peer copied with its bitmaps (its best case). */
  fill(repository: string, bare: string): Promise<string>
  remove(repository: string): Promise<void>
  cpu(): Cpu
  stop(): Promise<void>
}

export async function startStemma(
  folder: TempFolder,
  git: Git,
  env: Readonly<Record<string, string>> = {},
): Promise<Contender & { server: Server }> {
  const server = await Server.start({ data: folder.join('data'), env })
  const config = ['-c', server.eagerAuthorization]
  return {
    name: 'stemma',
    server,
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
      return url
    },
    remove: async (repository) => {
      const answer = await server.api('DELETE', `/api/v3/repos/admin/${repository}`)
      if (answer.status !== 204) throw new Error(`DELETE ${repository}: ${answer.status}`)
    },
    cpu: () => server.cpu(),
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
    cpu: () => ({ serverMs: peer.cpuMs() ?? Number.NaN, databaseMs: Number.NaN }),
    stop: () => peer.stop(),
  }
}

export interface Sample {
  readonly wallMs: number
  readonly cpu: Cpu
  /** Bytes of the answer where they were counted. */
  readonly bytes: number
}

/**
 * Runs `act` and measures: wall time of `act`, and the CPU time that the server spent until 150 ms after it (what a server does for a
 * request it may do after its answer).
 */
export async function measure(contender: Contender, act: () => Promise<number | undefined>): Promise<Sample> {
  const before = contender.cpu()
  const startedAt = performance.now()
  const bytes = await act()
  const wallMs = performance.now() - startedAt
  await sleep(150)
  const after = contender.cpu()
  const cpu = { serverMs: after.serverMs - before.serverMs, databaseMs: after.databaseMs - before.databaseMs }
  return { wallMs, cpu, bytes: bytes ?? Number.NaN }
}

/** The fetch request of a full clone (protocol v2), sent by curl with the answer thrown away; returns its size. */
export async function rawFetch(contender: Contender, url: string, bodyFile: string): Promise<number> {
  const headers = ['Content-Type: application/x-git-upload-pack-request', 'Git-Protocol: version=2', ...contender.headers]
  const args = ['-sS', '--fail', '-o', '/dev/null', '-w', '%{size_download}', '--data-binary', `@${bodyFile}`]
  for (const header of headers) args.push('-H', header)
  const result = await runProcess('curl', [...args, `${url}/git-upload-pack`], { timeoutMs: 600_000 })
  if (result.code !== 0) throw new Error(`curl: ${result.stderr}`)
  return Number(result.stdout)
}
