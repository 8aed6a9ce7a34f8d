// Runs the real git, cut off from the machine's and the user's settings: a home of its own, no prompt, a time limit.
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface GitResult {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
  readonly ms: number
}

export interface GitOptions {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  readonly input?: string | Uint8Array
  readonly timeoutMs?: number
  /** True: any exit code is a result. Otherwise a failure throws with what git said. */
  readonly mayFail?: boolean
}

/** A temporary folder for one test file; `remove` deletes it and all below. */
export class TempFolder {
  readonly path: string
  constructor(name: string) {
    const parent = process.env.STEMMA_TEST_TEMP ?? tmpdir()
    mkdirSync(parent, { recursive: true })
    this.path = mkdtempSync(join(parent, `${name}-`))
  }
  join(...parts: string[]): string {
    return join(this.path, ...parts)
  }
  remove(): void {
    rmSync(this.path, { recursive: true, force: true, maxRetries: 3 })
  }
}

/** A clean room to run git in: `git(['push', …], { cwd })`. */
export class Git {
  readonly home: string
  readonly #env: Record<string, string>

  constructor(folder: TempFolder) {
    this.home = mkdtempSync(folder.join('home-'))
    writeFileSync(
      join(this.home, '.gitconfig'),
      '[user]\n\tname = Tester\n\temail = tester@example.com\n[init]\n\tdefaultBranch = main\n[advice]\n\tdetachedHead = false\n' +
        '[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n[core]\n\tfsync = none\n[protocol "file"]\n\tallow = always\n[safe]\n\tdirectory = *\n',
    )
    this.#env = {
      PATH: process.env.PATH ?? '/usr/bin:/bin',
      HOME: this.home,
      XDG_CONFIG_HOME: join(this.home, 'xdg'),
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_TERMINAL_PROMPT: '0',
      GIT_ASKPASS: 'true',
      LC_ALL: 'C.UTF-8',
      no_proxy: '*',
      GIT_AUTHOR_DATE: '1700000000 +0000',
      GIT_COMMITTER_DATE: '1700000000 +0000',
    }
  }

  /** Runs git. Throws when it fails (unless `mayFail`) or outlives its time (60 s if not said). */
  async run(args: readonly string[], options: GitOptions = {}): Promise<GitResult> {
    const result = await runProcess('git', args, { ...options, env: { ...this.#env, ...options.env } })
    if (result.code !== 0 && !options.mayFail) {
      throw new Error(`git ${args.join(' ')} ended with ${result.code}\n${result.stdout}${result.stderr}`)
    }
    return result
  }

  /** What git prints, without the last line end. */
  async read(args: readonly string[], options: GitOptions = {}): Promise<string> {
    return (await this.run(args, options)).stdout.replace(/\n$/, '')
  }

  /** A new repository with work tree and `commits` commits on `main`, each changing a file or two. Same input, same ids. */
  async makeRepository(path: string, commits = 3, initArgs: readonly string[] = []): Promise<string> {
    await this.run(['init', '-q', ...initArgs, path])
    const stream: string[] = []
    for (let n = 1; n <= commits; n++) {
      const text = `line ${n}\n`.repeat(20 + n)
      stream.push(
        `commit refs/heads/main\nmark :${n}\ncommitter Tester <tester@example.com> ${1700000000 + n} +0000\n${data(`commit ${n}`)}`,
      )
      stream.push(n > 1 ? `from :${n - 1}\n` : '')
      stream.push(`M 100644 inline file-${n % 7}.txt\n${data(text)}M 100644 inline folder/deep/${n % 3}.txt\n${data(`deep ${text}`)}`)
    }
    await this.run(['fast-import', '--quiet', '--done'], { cwd: path, input: `${stream.join('')}done\n` })
    await this.run(['reset', '-q', '--hard', 'main'], { cwd: path })
    return path
  }

  /** Adds a commit that writes `files`; returns its id. */
  async commit(cwd: string, files: Readonly<Record<string, string | Uint8Array>>, message = 'change'): Promise<string> {
    for (const [name, bytes] of Object.entries(files)) {
      const path = join(cwd, name)
      mkdirSync(join(path, '..'), { recursive: true })
      writeFileSync(path, bytes)
    }
    await this.run(['add', '-A'], { cwd })
    await this.run(['commit', '-q', '--allow-empty', '-m', message], { cwd })
    return await this.read(['rev-parse', 'HEAD'], { cwd })
  }
}

/** Every object that the repository's refs reach and every ref with its id, sorted: equal for equal repositories. */
export async function contentOf(git: Git, repository: string): Promise<{ objects: string; refs: string }> {
  const objects = await git.read(['rev-list', '--objects', '--no-object-names', '--all'], { cwd: repository, timeoutMs: 600_000 })
  const refs = await git.read(['for-each-ref', '--format=%(objectname) %(objecttype) %(refname)'], { cwd: repository })
  return { objects: objects.split('\n').sort().join('\n'), refs }
}

/** A mirror clone at that path, which git finds whole; gives the path. */
export async function wholeClone(git: Git, url: string, path: string): Promise<string> {
  await git.run(['clone', '-q', '--mirror', url, path])
  await git.run(['fsck', '--full', '--strict'], { cwd: path })
  return path
}

/** Runs any program to its end; throws only when it can't start or outlives its time. */
export function runProcess(
  command: string,
  args: readonly string[],
  options: GitOptions & { readonly env?: Readonly<Record<string, string | undefined>> } = {},
): Promise<GitResult> {
  const startedAt = performance.now()
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: options.cwd, env: options.env ?? process.env, stdio: ['pipe', 'pipe', 'pipe'] })
    const out: Buffer[] = []
    const err: Buffer[] = []
    const timeoutMs = options.timeoutMs ?? 60_000
    let late = false
    const timer = setTimeout(() => {
      late = true
      child.kill('SIGKILL')
    }, timeoutMs)
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk))
    child.stdin.on('error', () => {}) // the program may end before it has read all: its exit code tells
    child.stdin.end(options.input)
    child.on('error', reject)
    child.on('close', (code) => {
      clearTimeout(timer)
      const stdout = Buffer.concat(out).toString()
      const stderr = Buffer.concat(err).toString()
      if (late) reject(new Error(`${command} ${args.join(' ')} did not end in ${timeoutMs} ms\n${stdout}${stderr}`))
      else resolve({ code, stdout, stderr, ms: performance.now() - startedAt })
    })
  })
}

function data(text: string): string {
  return `data ${Buffer.byteLength(text)}\n${text}\n`
}
