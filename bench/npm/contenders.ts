// The registries that are compared, behind one face: Stemma as `make serve` starts it, and Verdaccio by its program, each with a folder of its own on the same disk.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { TempFolder } from '../../tests/support/git.ts'
import { freePort } from '../../tests/support/port.ts'
import { cpuMs, descendants, memory } from '../../tests/support/process.ts'
import { startStemma as startServer } from '../oci/contenders.ts'

export interface NpmContender {
  readonly name: string
  readonly version: string
  readonly port: number
  /** What paths of its registry begin with. */
  readonly prefix: string
  /** Sent with reads; null: anyone may read. */
  readonly reader: string | null
  readonly publisher: string
  /** Processor time so far of all its processes, in milliseconds. */
  cpuMs(): number
  /** Resident memory of its process; null: it has no database beside it. */
  memory(): { readonly ownBytes: number; readonly databaseBytes: number | null }
  stop(): Promise<void>
}

/** Packages are private: a token is checked in each request. All clients are one caller, who is let ask as often as he likes. */
export async function startStemma(folder: TempFolder, env: Readonly<Record<string, string>> = {}): Promise<NpmContender> {
  const { server, ...registry } = await startServer(folder, { STEMMA_LIMITS_RATE_GIT: '0', ...env })
  const token = `Bearer ${server.token}`
  return {
    ...registry,
    prefix: '/npm/admin',
    reader: token,
    publisher: token,
    memory: () => ({
      ownBytes: server.memory().residentBytes,
      databaseBytes: descendants(server.pid).reduce((sum, { pid }) => sum + residentOf(pid), 0),
    }),
  }
}

/** Anyone may read what it has from the upstream. */
export async function startMirror(folder: TempFolder, upstream: string): Promise<NpmContender> {
  const own = { STEMMA_OUTBOUND_ALLOW_PRIVATE: '127.0.0.0/8' }
  const contender = await startStemma(folder, own)
  const command = resolve(import.meta.dirname, '../../bin/stemma')
  const args = ['upstream', 'declare', 'admin', upstream, '--format', 'npm', '--visibility', 'public', '--fresh', '1h']
  execFileSync(command, [...args, '--data', folder.join('stemma')], {
    env: { ...process.env, ...own },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  return contender
}

/** Shared memory counts for each process that has touched it: the sum is more than there is. */
function residentOf(pid: number): number {
  try {
    return memory(pid).residentBytes
  } catch {
    return 0 // it has ended
  }
}

/** Tokens as its own documentation advises for speed; anyone may read. */
const config = (root: string, port: number, upstream: string | null): string => `storage: ${root}/storage
auth: {htpasswd: {file: ${root}/htpasswd, max_users: 10}}
security: {api: {jwt: {sign: {expiresIn: 1d}}}}
uplinks: {${upstream === null ? '' : `up: {url: '${upstream}/', cache: true, maxage: 1h}`}}
packages: {'**': {access: $all, publish: $authenticated, unpublish: $authenticated${upstream === null ? '' : ', proxy: up'}}}
log: {type: stdout, format: json, level: fatal}
max_body_size: 500mb
listen: 127.0.0.1:${port}
`

/** `verdaccio…=PROGRAM`, which this Node runs. @param upstream whose mirror it is; null: nobody's */
export async function startPeer(folder: TempFolder, word: string, upstream: string | null = null): Promise<NpmContender> {
  const [name = '', program] = word.split('=')
  if (program === undefined || !name.startsWith('verdaccio')) throw new Error(`--peer verdaccio=PROGRAM, not ${word}`)
  const root = folder.join(name)
  mkdirSync(root)
  const port = await freePort()
  writeFileSync(folder.join(`${name}.yaml`), config(root, port, upstream))
  const args = ['--pdeathsig', 'KILL', process.execPath, program, '--config', folder.join(`${name}.yaml`)]
  const child = spawn('setpriv', args, { stdio: ['ignore', 'ignore', 'pipe'] })
  const said: string[] = []
  child.stderr.on('data', (bytes: Buffer) => said.push(bytes.toString()))
  for (let tries = 0; !(await answers(port)); tries++) {
    if (tries > 600 || child.exitCode !== null) throw new Error(`${name} did not start: ${said.join('')}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  const pid = child.pid ?? 0
  return {
    name,
    port,
    prefix: '',
    reader: null,
    version: execFileSync(process.execPath, [program, '--version'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim(),
    publisher: `Bearer ${await signUp(port)}`,
    cpuMs: () => [pid, ...descendants(pid).map((entry) => entry.pid)].reduce((sum, one) => sum + cpuMs(one), 0),
    memory: () => ({ ownBytes: memory(pid).residentBytes, databaseBytes: null }),
    stop: async () => end(child),
  }
}

async function signUp(port: number): Promise<string> {
  const answer = await fetch(`http://127.0.0.1:${port}/-/user/org.couchdb.user:bench`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'bench', password: 'bench-password' }),
  })
  const { token } = (await answer.json()) as { token?: string }
  if (token === undefined) throw new Error(`the peer gave no token: ${answer.status}`)
  return token
}

async function answers(port: number): Promise<boolean> {
  try {
    const answer = await fetch(`http://127.0.0.1:${port}/-/ping`)
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
