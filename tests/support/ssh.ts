// OpenSSH's client and its keys for tests, cut off from the machine's and the user's settings.
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { Forks } from './forks.ts'
import { type GitResult, runProcess, type TempFolder } from './git.ts'
import { type Host, openHost } from './host.ts'
import { freePort } from './port.ts'

const isThere = spawnSync('ssh', ['-V']).error === undefined && spawnSync('ssh-keygen', ['-?']).error === undefined
/** Options for tests that need OpenSSH: skips them, saying so, where it is missing. */
export const withSsh: { readonly skip?: string } = isThere ? {} : { skip: 'OpenSSH is not on this machine: apt-get install openssh-client' }

export interface SshKeyFile {
  readonly path: string
  /** As it is given to the API. */
  readonly line: string
}

/** Makes a key pair. @param args more of ssh-keygen's: `-t rsa -b 2048` */
export function makeSshKey(folder: TempFolder, name: string, args: readonly string[] = ['-t', 'ed25519']): SshKeyFile {
  const path = folder.join(name)
  const made = spawnSync('ssh-keygen', [...args, '-q', '-N', '', '-C', `${name}@test`, '-f', path])
  if (made.status !== 0) throw new Error(`ssh-keygen: ${made.stderr.toString()}`)
  return { path, line: readFileSync(`${path}.pub`, 'utf8').trim() }
}

export interface SshClientOptions {
  readonly folder: TempFolder
  readonly port: number
  readonly key: SshKeyFile
}

export interface SshRunOptions {
  readonly flags?: readonly string[]
  readonly input?: string
  readonly user?: string
  readonly timeoutMs?: number
}

export class SshClient {
  readonly #options: SshClientOptions
  /** Host keys that it has seen: the first is believed, another one isn't. */
  readonly knownHosts: string

  constructor(options: SshClientOptions) {
    this.#options = options
    this.knownHosts = options.folder.join(`known-hosts-${options.port}`)
  }

  /** The same client with another key. */
  with(key: SshKeyFile): SshClient {
    return new SshClient({ ...this.#options, key })
  }

  get args(): string[] {
    const options = ['IdentitiesOnly=yes', 'BatchMode=yes', 'StrictHostKeyChecking=accept-new', `UserKnownHostsFile=${this.knownHosts}`]
    return ['-F', 'none', '-p', String(this.#options.port), '-i', this.#options.key.path, ...options.flatMap((option) => ['-o', option])]
  }

  /** What git runs instead of `ssh`; for `GitOptions.env`. */
  get env(): Readonly<Record<string, string>> {
    const path = `${this.#options.key.path}.ssh`
    writeFileSync(path, `#!/bin/sh\nexec ssh ${this.args.map((arg) => `'${arg}'`).join(' ')} -o LogLevel=ERROR "$@"\n`, { mode: 0o755 })
    return { GIT_SSH_COMMAND: path, GIT_SSH_VARIANT: 'ssh' }
  }

  /** Runs ssh; any exit code is a result. @param flags of ssh's; @param command null: none, which asks for a shell */
  async run(command: string | null, { flags = [], input = '', timeoutMs = 60_000, user = 'git' }: SshRunOptions = {}): Promise<GitResult> {
    const env = { PATH: process.env.PATH ?? '/usr/bin:/bin', HOME: this.#options.folder.path, LC_ALL: 'C.UTF-8' }
    const args = [...this.args, ...(command === null ? ['-T'] : []), ...flags, `${user}@127.0.0.1`, ...(command === null ? [] : [command])]
    return await runProcess('ssh', args, { input, env, timeoutMs, mayFail: true })
  }

  /** `ssh://git@127.0.0.1:PORT/OWNER/NAME.git` */
  url(fullName: string): string {
    return `ssh://git@127.0.0.1:${this.#options.port}/${fullName}.git`
  }
}

/** A server that takes SSH connections, and its administrator's key. */
export interface SshHost {
  readonly host: Host
  readonly forks: Forks
  readonly port: number
  readonly client: SshClient
  /** Adds a key to the account of that token (the administrator's if not said); its number. */
  add(key: SshKeyFile, token?: string): Promise<number>
  close(): Promise<void>
}

export async function openSshHost(name: string, env: Readonly<Record<string, string>> = {}): Promise<SshHost> {
  const port = await freePort()
  const host = await openHost(name, { STEMMA_SSH_LISTEN: `127.0.0.1:${port}`, ...env })
  const forks = Forks.open(host.server)
  const add = async ({ line }: SshKeyFile, token?: string) => {
    const answer = await host.server.api('POST', '/api/v3/user/keys', { key: line }, token)
    if (answer.status !== 201) throw new Error(`adding a key: ${answer.status} ${JSON.stringify(answer.body)}`)
    return answer.body.id as number
  }
  const key = makeSshKey(host.folder, 'admin-key')
  const opened = { host, forks, port, client: new SshClient({ folder: host.folder, port, key }), add }
  const close = async () => {
    await forks.close()
    await host.close()
  }
  await add(key).catch(async (error: unknown) => {
    await close()
    throw error
  })
  return { ...opened, close }
}
