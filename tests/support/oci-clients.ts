// Clients of registries as their users run them: each with a home, storage and credentials of its own below a temporary folder, on loopback without TLS.
import { mkdirSync, writeFileSync } from 'node:fs'
import { Forks } from './forks.ts'
import { runProcess, TempFolder } from './git.ts'
import { Server, type ServerOptions } from './server.ts'
import type { TestAccount } from './accounts.ts'

export interface RegistryHost {
  readonly server: Server
  readonly folder: TempFolder
  /** `127.0.0.1:PORT` */
  readonly registry: string
  /** Whose images the tests push. */
  readonly owner: TestAccount
  /** Who has no role in anything. */
  readonly stranger: TestAccount
  close(): Promise<void>
}

export async function openRegistryHost(name: string, env: ServerOptions['env'] = {}): Promise<RegistryHost> {
  const folder = new TempFolder(name)
  const server = await Server.start({ data: folder.join('data'), env })
  const forks = Forks.open(server)
  const [owner, stranger] = await Promise.all([forks.account('olive'), forks.account('sam')])
  return {
    server,
    folder,
    registry: `127.0.0.1:${server.port}`,
    owner,
    stranger,
    close: async () => {
      await forks.close()
      await server.stop()
      folder.remove()
    },
  }
}

/** One user's machine. */
export class ClientHome {
  readonly path: string
  readonly #env: Readonly<Record<string, string>>

  /** @param registries that are spoken to without TLS */
  constructor(folder: TempFolder, name: string, registries: readonly string[]) {
    this.path = folder.join(name)
    for (const part of ['', 'run', 'docker', 'work', '.config/containers']) mkdirSync(this.join(part), { recursive: true })
    writeFileSync(
      this.join('storage.conf'),
      `[storage]\ndriver = "vfs"\ngraphroot = "${this.join('graph')}"\nrunroot = "${this.join('runroot')}"\n`,
    )
    const insecure = registries.map((location) => `[[registry]]\nlocation = "${location}"\ninsecure = true\n`)
    writeFileSync(this.join('.config/containers/registries.conf'), `unqualified-search-registries = []\n${insecure.join('')}`)
    writeFileSync(this.join('auth.json'), '{}')
    this.#env = {
      PATH: process.env.PATH ?? '',
      LC_ALL: 'C.UTF-8',
      HOME: this.path,
      TMPDIR: this.join('run'),
      XDG_RUNTIME_DIR: this.join('run'),
      CONTAINERS_STORAGE_CONF: this.join('storage.conf'),
      REGISTRY_AUTH_FILE: this.join('auth.json'),
      DOCKER_CONFIG: this.join('docker'),
      BUILDAH_ISOLATION: 'chroot',
      COSIGN_PASSWORD: '',
    }
  }

  join(...parts: string[]): string {
    return [this.path, ...parts].join('/')
  }

  /** Runs in the folder `work`; what it prints. Throws with all that it said when it fails. */
  async run(
    command: string,
    args: readonly string[],
    { input, env = {} }: { input?: string; env?: Readonly<Record<string, string>> } = {},
  ): Promise<string> {
    const options = { cwd: this.join('work'), env: { ...this.#env, ...env }, timeoutMs: 180_000, ...(input === undefined ? {} : { input }) }
    const { code, stdout, stderr } = await runProcess(command, args, options)
    if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}\n${stdout}${stderr}`)
    return stdout.trim()
  }
}
