// A clone over SSH beside the same clone over HTTP, and (--sshd PATH) beside OpenSSH's sshd with git: wall time, and CPU time of the server.
// node bench/ssh.ts --repo S=/path/to/S.git [--runs 5] [--sshd /usr/sbin/sshd] [--out FILE]
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { Git, TempFolder } from '../tests/support/git.ts'
import { freePort } from '../tests/support/port.ts'
import { makeSshKey, SshClient, type SshKeyFile } from '../tests/support/ssh.ts'
import { Server } from '../tests/support/server.ts'
import { benchArguments } from './arguments.ts'
import { conditions, markdownTable, median, short } from './table.ts'

interface Way {
  readonly name: string
  readonly url: string
  readonly env: Readonly<Record<string, string>>
  /** CPU time of whoever serves it, so far. */
  readonly cpuMs: () => number
}

const { out, repositories, runs, values } = benchArguments([], ['sshd'])
const [sshdPath] = values('sshd')
const folder = new TempFolder('bench-ssh')
const git = new Git(folder)
const key = makeSshKey(folder, 'key')
const ciphers = { CTR: 'aes128-ctr', GCM: 'aes128-gcm@openssh.com' }

/** `git clone` with one cipher. */
function sshEnv(client: SshClient, cipher: string, name: string): Record<string, string> {
  const path = folder.join(`ssh-${name}`)
  const args = client.args.map((arg) => `'${arg}'`).join(' ')
  writeFileSync(path, `#!/bin/sh\nexec ssh ${args} -o LogLevel=ERROR -c ${cipher} "$@"\n`, { mode: 0o755 })
  return { GIT_SSH_COMMAND: path, GIT_SSH_VARIANT: 'ssh' }
}

async function stemmaWays(server: Server, sshPort: number, repository: string): Promise<Way[]> {
  const client = new SshClient({ folder, port: sshPort, key })
  const cpuMs = () => server.cpu().serverMs
  const ssh = Object.entries(ciphers).map(([name, cipher]) => ({
    name: `Stemma, SSH, AES-${name}`,
    url: client.url(`admin/${repository}`),
    env: sshEnv(client, cipher, `stemma-${name}`),
    cpuMs,
  }))
  return [{ name: 'Stemma, HTTP', url: server.repositoryUrl(repository), env: {}, cpuMs }, ...ssh]
}

interface Sshd {
  readonly ways: (path: string) => Way[]
  readonly child: ChildProcess
}

/** OpenSSH's own server on a port of its own, which runs the machine's git as whoever runs this. */
async function startSshd(path: string, own: SshKeyFile): Promise<Sshd> {
  const port = await freePort()
  const hostKey = makeSshKey(folder, 'sshd-host')
  writeFileSync(folder.join('authorized'), `${own.line}\n`)
  const lines = [
    `Port ${port}`,
    'ListenAddress 127.0.0.1',
    `HostKey ${hostKey.path}`,
    `AuthorizedKeysFile ${folder.join('authorized')}`,
    `PidFile ${folder.join('sshd.pid')}`,
    'StrictModes no',
    'UsePAM no',
    'PermitRootLogin yes',
    'AcceptEnv GIT_PROTOCOL',
    'SetEnv GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0=*',
  ]
  writeFileSync(folder.join('sshd.conf'), `${lines.join('\n')}\n`)
  if (!existsSync('/run/sshd')) mkdirSync('/run/sshd', { recursive: true })
  const child = spawn(path, ['-D', '-e', '-f', folder.join('sshd.conf')], { stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  child.stderr.on('data', (bytes: Buffer) => (said += bytes.toString()))
  for (let tries = 0; !said.includes('Server listening'); tries++) {
    if (tries > 100 || child.exitCode !== null) throw new Error(`sshd did not start: ${said}`)
    await sleep(50)
  }
  const client = new SshClient({ folder, port, key: own })
  const user = process.env.USER ?? 'root'
  const ways = (repository: string) =>
    Object.entries(ciphers).map(([name, cipher]) => ({
      name: `sshd and git, AES-${name}`,
      url: `ssh://${user}@127.0.0.1:${port}${repository}`,
      env: sshEnv(client, cipher, `sshd-${name}`),
      cpuMs: () => withChildrenMs(child.pid as number),
    }))
  return { ways, child }
}

/** CPU time of a process and of all its children that have ended and were waited for (proc(5), fields 14 to 17; 100 ticks a second). */
function withChildrenMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1')
    .replace(/^.*\) /s, '')
    .split(' ')
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks) * 10, 0)
}

async function cloneBy({ env, url }: Way): Promise<void> {
  const target = folder.join('clone')
  rmSync(target, { recursive: true, force: true })
  await git.run(['clone', '-q', '--mirror', url, target], { env, timeoutMs: 600_000 })
}

const sections: string[] = []
const sshPort = await freePort()
const server = await Server.start({ data: folder.join('data'), env: { STEMMA_SSH_LISTEN: `127.0.0.1:${sshPort}` } })
const sshd = sshdPath === undefined ? null : await startSshd(sshdPath, key)
try {
  const added = await server.api('POST', '/api/v3/user/keys', { key: key.line })
  if (added.status !== 201) throw new Error(`the key was not taken: ${added.status}`)
  for (const { name, path } of repositories) {
    await server.create(name)
    await git.run(['push', '-q', '--mirror', server.repositoryUrl(name)], { cwd: path, timeoutMs: 600_000 })
    const ways = [...(await stemmaWays(server, sshPort, name)), ...(sshd?.ways(path) ?? [])]
    const samples = new Map(ways.map((way) => [way, { wall: [] as number[], cpu: [] as number[] }]))
    for (let run = -1; run < runs; run++) {
      for (const way of ways) {
        const before = way.cpuMs()
        const startedAt = performance.now()
        await cloneBy(way)
        const wallMs = performance.now() - startedAt
        await sleep(300) // until children were waited for
        if (run < 0) continue // the first one warms
        samples.get(way)?.wall.push(wallMs)
        samples.get(way)?.cpu.push(way.cpuMs() - before)
      }
    }
    const figures = ways.map((way) => {
      const { cpu = [], wall = [] } = samples.get(way) ?? {}
      return { name: way.name, wall: median(wall), cpu: median(cpu) }
    })
    const [http] = figures
    const rows = figures.map(({ cpu, name: way, wall }) => [
      way,
      short(wall),
      short(wall / (http?.wall ?? Number.NaN)),
      short(cpu),
      short(cpu / (http?.cpu ?? Number.NaN)),
    ])
    const head = ['way', 'wall ms', '× HTTP', 'server CPU ms', '× HTTP']
    sections.push(`## ${name}: git clone --mirror, medians of ${runs}, warm\n\n${markdownTable(head, rows)}\n`)
  }
} finally {
  sshd?.child.kill()
  await server.stop()
  folder.remove()
}
const report = `# A clone over SSH, over HTTP, and by sshd\n\n${conditions()}\n\n${sections.join('\n')}`
if (out !== null) writeFileSync(out, report)
process.stdout.write(report)
