// npm's own client (the package `npm`), each with a home, a configuration and a cache of its own.
import { spawn } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { TempFolder } from './git.ts'

const client = resolve(import.meta.dirname, '../../node_modules/npm/bin/npm-cli.js')

export interface NpmAnswer {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface NpmOptions {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  /** What is typed: each line when the client asks for one. */
  readonly answers?: readonly string[]
  /** Is given all that it has said so far, whenever it says something. */
  readonly onOutput?: (text: string) => Promise<void>
}

export class NpmClient {
  readonly #folder: string
  readonly registry: string

  /** @param registry with a slash at its end */
  constructor(folder: TempFolder, name: string, registry: string) {
    this.#folder = folder.join(name)
    this.registry = registry
    mkdirSync(this.#folder, { recursive: true })
    this.configure({})
  }

  /** Writes its `.npmrc` anew. @param token null: it has none */
  configure({ token = null, more = [] }: { readonly token?: string | null; readonly more?: readonly string[] }): void {
    const auth = token === null ? [] : [`${this.registry.replace(/^https?:/, '')}:_authToken=${token}`]
    writeFileSync(
      this.#rc,
      `${[`registry=${this.registry}`, 'update-notifier=false', 'fund=false', 'fetch-retries=0', ...auth, ...more].join('\n')}\n`,
    )
  }

  get #rc(): string {
    return join(this.#folder, '.npmrc')
  }

  /** The token that its configuration holds; null: none. */
  get token(): string | null {
    return /_authToken=(\S+)/.exec(readFileSync(this.#rc, 'utf8'))?.[1] ?? null
  }

  /** A folder with a package in it. */
  package(
    manifest: Readonly<Record<string, unknown>>,
    files: Readonly<Record<string, string>> = { 'index.js': 'module.exports = 1\n' },
  ): string {
    const folder = join(this.#folder, `package-${String(manifest.name).replaceAll(/\W+/g, '-')}-${String(manifest.version)}`)
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest))
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
    return folder
  }

  /** Runs it; `typed` goes to its standard input, and a question that comes up is printed by it on standard output. */
  async run(args: readonly string[], { cwd = this.#folder, env = {}, answers = [], onOutput }: NpmOptions = {}): Promise<NpmAnswer> {
    const own = { HOME: this.#folder, npm_config_userconfig: this.#rc, npm_config_cache: join(this.#folder, 'cache'), NO_COLOR: '1' }
    const child = spawn(process.execPath, [client, ...args], { cwd, env: { PATH: process.env.PATH, CI: '', ...own, ...env } })
    let [stdout, stderr] = ['', '']
    const left = [...answers]
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk.toString()
      const next = /: ?$/.test(stdout) ? left.shift() : undefined
      if (next !== undefined) child.stdin.write(`${next}\n`)
    })
    child.stderr.on('data', (chunk: Buffer) => void (stderr += chunk.toString()))
    const told: Promise<void>[] = []
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', () => void told.push(onOutput?.(stdout + stderr) ?? Promise.resolve()))
    if (answers.length === 0) child.stdin.end()
    const code = await new Promise<number | null>((done) => void child.once('close', done))
    await Promise.all(told)
    return { code, stdout, stderr }
  }

  /** The same where it ends well; what it prints. */
  async ok(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(args)
    if (code !== 0) throw new Error(`npm ${args.join(' ')} ended with ${code}:\n${stdout}\n${stderr}`)
    return stdout
  }
}
