// A client of npm registries as its user runs it: a home, caches and credentials of its own below a temporary folder, where only the registry under test is known.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type GitResult, runProcess, type TempFolder } from '../support/git.ts'
import { commandOf, type ClientName } from './installed.ts'
import { atTerminal, type Exchange, type Screen } from './terminal.ts'

export interface RunOptions {
  /** An empty folder if not said. */
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  readonly input?: string
}

export class ClientHome {
  readonly name: ClientName
  readonly path: string
  /** With a slash at its end. */
  readonly registry: string
  readonly #projects: string

  constructor(folder: TempFolder, name: ClientName, registry: string, home = `home-${name}`) {
    this.name = name
    this.path = folder.join(home)
    this.registry = registry
    this.#projects = folder.join(`files-${name}`)
    mkdirSync(this.join('work'), { recursive: true })
    this.configure(null)
  }

  join(...parts: readonly string[]): string {
    return join(this.path, ...parts)
  }

  /** Writes its configuration anew. @param token null: it has none */
  configure(token: string | null): void {
    const at = this.registry.replace(/^https?:/, '')
    const npmrc = [`registry=${this.registry}`, ...(token === null ? [] : [`${at}:_authToken=${token}`]), ...npmSettings]
    const files: Record<string, string> = { '.npmrc': `${npmrc.join('\n')}\n` }
    // what is installed here was published a moment ago
    if (this.name === 'berry') {
      const own = token === null ? {} : { npmAuthToken: token }
      files['.yarnrc.yml'] = JSON.stringify({ ...berrySettings, npmRegistryServer: this.registry.replace(/\/$/, ''), ...own })
    }
    if (this.name === 'bun') {
      const own = token === null ? '' : `, token = "${token}"`
      files['.bunfig.toml'] = `telemetry = false\n[install]\nregistry = { url = "${this.registry}"${own} }\n`
      files['.npmrc'] = ''
    }
    for (const [file, text] of Object.entries(files)) writeFileSync(this.join(file), text)
  }

  /** Of the configuration, as the client left it; null: none. */
  token(): string | null {
    const files: Readonly<Record<string, string>> = { berry: '.yarnrc.yml', bun: '.bunfig.toml', pnpm: '.config/pnpm/auth.ini' }
    const path = this.join(files[this.name] ?? '.npmrc')
    const text = existsSync(path) ? readFileSync(path, 'utf8') : ''
    return /(?:_authToken=|npmAuthToken"?: ?|token = )"?([^\s"]+)/.exec(text)?.[1] ?? null
  }

  /** A folder with these files in it, objects as JSON; its path. Not below the home: some clients read the configuration of every folder above. */
  folder(name: string, files: Readonly<Record<string, string | Uint8Array | object>>): string {
    const path = join(this.#projects, name)
    for (const [file, body] of Object.entries(files)) {
      mkdirSync(dirname(join(path, file)), { recursive: true })
      writeFileSync(join(path, file), typeof body === 'string' || body instanceof Uint8Array ? body : `${JSON.stringify(body, null, 2)}\n`)
    }
    return path
  }

  /** Every cache and store; what is installed next comes from the registry. */
  clean(): void {
    for (const cache of ['cache', '.cache', '.local', '.bun', '.yarn']) rmSync(this.join(cache), { recursive: true, force: true })
  }

  /** Runs it to its end, whatever that is. */
  run(args: readonly string[], { cwd = this.join('work'), env = {}, input }: RunOptions = {}): Promise<GitResult> {
    const [program, ...first] = commandOf(this.name)
    return runProcess(program, [...first, ...args], {
      cwd,
      env: { ...this.#env(), ...env },
      timeoutMs: 240_000,
      ...(input === undefined ? {} : { input }),
    })
  }

  /** Runs it at a terminal, and answers what it asks. */
  typed(args: readonly string[], exchanges: readonly Exchange[], { cwd = this.join('work') }: RunOptions = {}): Promise<Screen> {
    return atTerminal([...commandOf(this.name), ...args], { cwd, env: this.#env() }, exchanges)
  }

  /** The same where it ends well; what it prints. */
  async ok(args: readonly string[], options: RunOptions = {}): Promise<string> {
    const { code, stdout, stderr } = await this.run(args, options)
    if (code !== 0) throw new Error(`${this.name} ${args.join(' ')} ended with ${code}\n${stdout}\n${stderr}`)
    return stdout
  }

  /** The same where it fails; all that it says. */
  async fails(args: readonly string[], options: RunOptions = {}): Promise<string> {
    const { code, stdout, stderr } = await this.run(args, options)
    if (code === 0) throw new Error(`${this.name} ${args.join(' ')} ended well\n${stdout}\n${stderr}`)
    return `${stdout}\n${stderr}`
  }

  #env(): Record<string, string> {
    return {
      PATH: `${dirname(process.execPath)}:${process.env.PATH ?? ''}`,
      HOME: this.path,
      LC_ALL: 'C.UTF-8',
      NO_COLOR: '1',
      npm_config_userconfig: this.join('.npmrc'),
      npm_config_globalconfig: this.join('no-npmrc'),
      npm_config_cache: this.join('cache'),
      YARN_CACHE_FOLDER: this.join('cache'),
      YARN_GLOBAL_FOLDER: this.join('.yarn'),
      BUN_INSTALL_CACHE_DIR: this.join('.bun'),
      BUN_INSTALL: this.join('.bun'),
      PNPM_CONFIG_FETCH_RETRIES: '0',
      FAKEROOTKEY: 'none', // else root's home is another one for Yarn 1
      no_proxy: '*',
    }
  }
}

const npmSettings = ['update-notifier=false', 'fund=false', 'audit=false', 'fetch-retries=0']
const berrySettings = {
  unsafeHttpWhitelist: ['127.0.0.1'],
  enableTelemetry: false,
  enableGlobalCache: true,
  enableImmutableInstalls: false,
  npmMinimalAgeGate: 0,
  nodeLinker: 'node-modules',
  httpRetry: 0,
}
