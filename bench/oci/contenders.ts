// The registries that are compared, behind one face: Stemma as `make serve` starts it, and peers by their programs, each with a folder of its own on the same disk.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import type { TempFolder } from '../../tests/support/git.ts'
import { freePort } from '../../tests/support/port.ts'
import { cpuMs, descendants } from '../../tests/support/process.ts'
import { Server } from '../../tests/support/server.ts'

export interface Registry {
  readonly name: string
  /** What its program calls itself. */
  readonly version: string
  readonly port: number
  readonly authorization: string | null
  /** What image names begin with. */
  readonly namespace: string
  /** Processor time so far of all its processes, in milliseconds. */
  cpuMs(): number
  stop(): Promise<void>
}

/** With a token of the administrator in each request, as a client sends it that answers a Basic challenge. */
export async function startStemma(
  folder: TempFolder,
  env: Readonly<Record<string, string>> = {},
): Promise<Registry & { readonly server: Server }> {
  const server = await Server.start({ data: folder.join('stemma'), env: { STEMMA_LOG_LEVEL: 'error', ...env } })
  return {
    name: 'Stemma',
    version: execFileSync('git', ['-C', import.meta.dirname, 'describe', '--always', '--dirty'], { encoding: 'utf8' }).trim(),
    server,
    port: server.port,
    authorization: `Basic ${Buffer.from(`admin:${server.token}`).toString('base64')}`,
    namespace: 'admin/',
    cpuMs: () => {
      const { serverMs, databaseMs } = server.cpu()
      return serverMs + databaseMs
    },
    stop: async () => void (await server.stop()),
  }
}

interface PeerKind {
  /** Arguments that print its version. */
  readonly version: readonly string[]
  readonly arguments: (config: string) => readonly string[]
  readonly config: (root: string, port: number) => string
}

const distribution: PeerKind = {
  version: ['--version'],
  arguments: (config) => ['serve', config],
  config: (root, port) => `version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage:
  cache: {blobdescriptor: inmemory}
  filesystem: {rootdirectory: ${root}}
  delete: {enabled: true}
http: {addr: '127.0.0.1:${port}'}
`,
}

/** As its own benchmark configures it. */
const zot: PeerKind = {
  version: ['--version'],
  arguments: (config) => ['serve', config],
  config: (root, port) =>
    JSON.stringify({
      distSpecVersion: '1.1.1',
      storage: { rootDirectory: root },
      http: { address: '127.0.0.1', port: String(port), readTimeout: '2m', writeTimeout: '2m' },
      log: { level: 'error', output: '/dev/null' },
    }),
}

/** `distribution…=PROGRAM` or `zot…=PROGRAM`; without authentication, on loopback only. */
export async function startPeer(folder: TempFolder, word: string): Promise<Registry> {
  const [name = '', program] = word.split('=')
  if (program === undefined) throw new Error(`--peer NAME=PROGRAM, not ${word}`)
  const kind = name.startsWith('distribution') ? distribution : name.startsWith('zot') ? zot : null
  if (kind === null) throw new Error(`a peer is a distribution or a zot, not ${name}`)
  const root = folder.join(name)
  mkdirSync(root)
  const port = await freePort()
  const config = folder.join(`${name}.${kind === zot ? 'json' : 'yml'}`)
  writeFileSync(config, kind.config(root, port))
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', program, ...kind.arguments(config)], { stdio: ['ignore', 'ignore', 'pipe'] })
  const said: string[] = []
  child.stderr.on('data', (bytes: Buffer) => said.push(bytes.toString()))
  for (let tries = 0; !(await answers(port)); tries++) {
    if (tries > 200 || child.exitCode !== null) throw new Error(`${name} did not start: ${said.join('')}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  const pid = child.pid ?? 0
  return {
    name,
    version: versionOf(execFileSync(program, kind.version, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })),
    port,
    authorization: null,
    namespace: 'bench/',
    cpuMs: () => [pid, ...descendants(pid).map((entry) => entry.pid)].reduce((sum, one) => sum + cpuMs(one), 0),
    stop: async () => end(child),
  }
}

/** Without paths of this machine. */
function versionOf(said: string): string {
  return said.includes('"') ? 'as built from its newest source, without extensions' : said.trim().split(' ').slice(1).join(' ')
}

async function answers(port: number): Promise<boolean> {
  try {
    const answer = await fetch(`http://127.0.0.1:${port}/v2/`)
    await answer.arrayBuffer()
    return answer.status === 200
  } catch {
    return false
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return
  const ended = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), 10_000)
  await ended
  clearTimeout(timer)
}
