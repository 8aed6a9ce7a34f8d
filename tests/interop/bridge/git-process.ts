// Runs git on the bridge's disk repositories. The bridge is a test's tool: here git may be run; the server behind it never does.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { DiskPlace } from './place.ts'

export interface GitRun {
  readonly code: number
  readonly stdout: Buffer
  readonly stderr: Buffer
}

export interface GitOptions {
  readonly input?: Uint8Array | string
  readonly environment?: Readonly<Record<string, string>>
  /** The program; `git` without it. */
  readonly command?: string
  /** Where it runs; the repository's folder without it. */
  readonly folder?: string
}

/** Settings that hold for every call: whoever owns the repository, and whatever it lacks, git looks at it as it stands. */
const always = ['-c', 'safe.directory=*', '-c', 'core.fsync=none', '-c', 'gc.auto=0', '-c', 'maintenance.auto=0']

/** The environment of git and of hooks: nothing of a repository that the bridge itself was started in. */
export function cleanEnvironment(more: Readonly<Record<string, string>> = {}): Record<string, string> {
  const kept = Object.entries(process.env).filter(
    (entry): entry is [string, string] =>
      entry[1] !== undefined && !/^(GIT_(?!EXEC_PATH|CONFIG_NOSYSTEM|TRACE)|NODE_|STEMMA_)/.test(entry[0]),
  )
  return { ...Object.fromEntries(kept), GIT_NO_LAZY_FETCH: '1', GIT_TERMINAL_PROMPT: '0', ...more }
}

/** As the owner of the files where we are root and they aren't ours, so that what is written is theirs. */
export function asOwner({ owner }: DiskPlace): { uid?: number; gid?: number } {
  return process.getuid?.() === 0 && owner.uid !== 0 ? owner : {}
}

export function startGit(place: DiskPlace, args: readonly string[], options: GitOptions = {}): ChildProcess {
  // no settings but the repository's own: whoever started the bridge may not be able to read others
  const plain = { GIT_DIR: place.gitDir, GIT_NO_REPLACE_OBJECTS: '1', GIT_CONFIG_NOSYSTEM: '1', GIT_CONFIG_GLOBAL: '/dev/null' }
  const environment = cleanEnvironment({ ...plain, ...options.environment })
  return spawn(options.command ?? 'git', [...always, ...args], {
    cwd: options.folder ?? place.gitDir,
    env: environment,
    stdio: ['pipe', 'pipe', 'pipe'],
    ...asOwner(place),
  })
}

/** Runs git to its end; the exit code is the caller's business. */
export async function runGit(place: DiskPlace, args: readonly string[], options: GitOptions = {}): Promise<GitRun> {
  const child = startGit(place, args, options)
  const out: Buffer[] = []
  const err: Buffer[] = []
  child.stdout?.on('data', (chunk: Buffer) => out.push(chunk))
  child.stderr?.on('data', (chunk: Buffer) => err.push(chunk))
  child.stdin?.on('error', () => {}) // it may end before it has read all: its exit code tells
  child.stdin?.end(options.input)
  const [code] = (await once(child, 'close')) as [number | null]
  return { code: code ?? 128, stdout: Buffer.concat(out), stderr: Buffer.concat(err) }
}

/** The same; an error with git's words unless it succeeds. */
export async function git(place: DiskPlace, args: readonly string[], options: GitOptions = {}): Promise<Buffer> {
  const { code, stdout, stderr } = await runGit(place, args, options)
  if (code !== 0) throw new Error(`git ${args.join(' ')} in ${place.gitDir}: ${code} ${stderr.toString()}`)
  return stdout
}
