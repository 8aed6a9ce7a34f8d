// The peer that Stemma is measured against: `git http-backend` behind Apache (event MPM, mod_cgid) from Debian's packages
// apache2 and git, with a configuration and folders of its own below a temporary folder; no system service is touched.
import { type ChildProcess, spawn } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { runProcess, type TempFolder } from './git.ts'
import { freePort } from './port.ts'

const modulesFolder = '/usr/lib/apache2/modules'
const backend = '/usr/lib/git-core/git-http-backend'

/** False where Debian's apache2 is not installed: `apt-get install apache2`. */
export function isPeerInstalled(): boolean {
  return existsSync('/usr/sbin/apache2') && existsSync(join(modulesFolder, 'mod_cgid.so')) && existsSync(backend)
}

export class Peer {
  readonly url: string
  readonly repositories: string
  readonly pid: number
  readonly #apache: ChildProcess
  readonly #cgroup: string | null

  private constructor(url: string, repositories: string, apache: ChildProcess, cgroup: string | null) {
    this.url = url
    this.repositories = repositories
    this.#apache = apache
    this.pid = apache.pid ?? 0
    this.#cgroup = cgroup
  }

  /** Starts Apache on a free port of 127.0.0.1. Anyone may read and push. */
  static async start(folder: TempFolder): Promise<Peer> {
    const root = folder.join('peer')
    const repositories = join(root, 'repositories')
    mkdirSync(repositories, { recursive: true })
    mkdirSync(join(root, 'empty'))
    for (let at = root; at !== dirname(at) && at.startsWith(folder.path); at = dirname(at)) chmodSync(at, 0o755)
    await runProcess('chown', ['www-data:www-data', repositories, root])
    const port = await freePort()
    writeFileSync(join(root, 'apache.conf'), configuration(root, repositories, port))
    const cgroup = makeCgroup(`stemma-peer-${process.pid}-${port}`)
    const join1 = cgroup === null ? '' : `echo $$ > ${cgroup}/cgroup.procs; `
    const command = `${join1}exec /usr/sbin/apache2 -f ${join(root, 'apache.conf')} -DFOREGROUND`
    const apache = spawn('/bin/sh', ['-c', command], { stdio: 'ignore' })
    const peer = new Peer(`http://127.0.0.1:${port}`, repositories, apache, cgroup)
    for (let tries = 0; !(await answers(peer.url)); tries++) {
      if (tries > 100 || apache.exitCode !== null)
        throw new Error(`apache2 did not start: ${readFileSync(join(root, 'error.log'), 'utf8')}`)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    return peer
  }

  /** An empty repository there. */
  async create(name: string, initArgs: readonly string[] = []): Promise<string> {
    const path = join(this.repositories, `${name}.git`)
    await must('git', ['init', '-q', '--bare', '-b', 'main', ...initArgs, path])
    await openForPushes(path)
    await must('chown', ['-R', 'www-data:www-data', path])
    return path
  }

  /** A copy of a bare repository as it stands (packs, bitmaps, commit-graph and all): the peer's best case. */
  async adopt(name: string, bare: string): Promise<string> {
    const path = join(this.repositories, `${name}.git`)
    await must('cp', ['-r', bare, path])
    await openForPushes(path)
    await must('chown', ['-R', 'www-data:www-data', path])
    return path
  }

  async remove(name: string): Promise<void> {
    await must('rm', ['-rf', join(this.repositories, `${name}.git`)])
  }

  repositoryUrl(name: string): string {
    return `${this.url}/${name}.git`
  }

  /** User and system time of Apache and of every git process that it ever started, in milliseconds; null where cpuacct is not to be had. */
  cpuMs(): number | null {
    return this.#cgroup === null ? null : Number(readFileSync(join(this.#cgroup, 'cpuacct.usage'), 'latin1')) / 1e6
  }

  /** Apache and every git process that runs now. */
  processes(): number[] {
    if (this.#cgroup === null) return [this.pid]
    return readFileSync(join(this.#cgroup, 'cgroup.procs'), 'latin1').split('\n').filter(Boolean).map(Number)
  }

  async stop(): Promise<void> {
    if (this.#apache.exitCode === null) {
      const ended = new Promise((resolve) => this.#apache.once('exit', resolve))
      this.#apache.kill('SIGTERM')
      await ended
    }
    if (this.#cgroup !== null) {
      try {
        rmdirSync(this.#cgroup)
      } catch {
        // a process of it is still ending: an empty group costs nothing
      }
    }
  }
}

/** What is pushed is checked as Stemma checks it, but for faults that stand in the histories of known projects (src/git's pushFsck). */
async function openForPushes(path: string): Promise<void> {
  await must('git', ['-C', path, 'config', 'http.receivepack', 'true'])
  await must('git', ['-C', path, 'config', 'receive.fsckObjects', 'true'])
  await must('git', ['-C', path, 'config', 'uploadpack.allowFilter', 'true'])
  for (const id of ['zeroPaddedFilemode', 'badTimezone', 'missingSpaceBeforeDate']) {
    await must('git', ['-C', path, 'config', `receive.fsck.${id}`, 'warn'])
  }
}

async function must(command: string, args: readonly string[]): Promise<void> {
  const result = await runProcess(command, args, { timeoutMs: 300_000 })
  if (result.code !== 0) throw new Error(`${command} ${args.join(' ')}: ${result.stderr}`)
}

async function answers(url: string): Promise<boolean> {
  try {
    await fetch(url)
    return true
  } catch {
    return false
  }
}

/** A cpuacct group of version 1: it counts nanoseconds of everything that ever ran in it, waited for or not (mod_cgid doesn't wait). */
function makeCgroup(name: string): string | null {
  const path = `/sys/fs/cgroup/cpuacct/${name}`
  try {
    mkdirSync(path)
    return existsSync(join(path, 'cpuacct.usage')) ? path : null
  } catch {
    return null
  }
}

function configuration(root: string, repositories: string, port: number): string {
  const modules = ['mpm_event', 'cgid', 'alias', 'env', 'authz_core', 'setenvif', 'unixd']
    .filter((name) => existsSync(join(modulesFolder, `mod_${name}.so`)))
    .map((name) => `LoadModule ${name}_module ${modulesFolder}/mod_${name}.so`)
    .join('\n')
  return `ServerRoot ${root}
ServerName 127.0.0.1
Listen 127.0.0.1:${port}
PidFile ${root}/apache.pid
ErrorLog ${root}/error.log
LogLevel warn
Mutex file:${root} default
User www-data
Group www-data
${modules}
ScriptSock ${root}/cgid.sock
DocumentRoot ${root}/empty
Timeout 600
KeepAlive On
SetEnv GIT_PROJECT_ROOT ${repositories}
SetEnv GIT_HTTP_EXPORT_ALL 1
SetEnv HOME ${root}
SetEnvIf Git-Protocol ".*" GIT_PROTOCOL=$0
ScriptAlias / ${backend}/
<Directory />
  Require all granted
  Options +ExecCGI
</Directory>
`
}
