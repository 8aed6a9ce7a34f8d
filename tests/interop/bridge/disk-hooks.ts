// Hooks of a repository on disk (githooks(5)), run as git's receive-pack runs them: in the repository's folder, with the environment that the
// web server gave its CGI program.
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants, existsSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import type { HookProcess } from '../../../src/git/receive-pack/push-hooks.ts'
import { asOwner, cleanEnvironment } from './git-process.ts'
import type { DiskPlace } from './place.ts'
import type { BridgeRequest } from './request.ts'

export type Environment = Readonly<Record<string, string>>
export type Say = (text: string | Uint8Array) => void

/** What git http-backend hands to receive-pack, and that to its hooks. */
export function pushEnvironment(request: BridgeRequest): Environment {
  const given = Object.fromEntries(request.environment)
  const user = request.user ?? 'anonymous'
  const address = given.REMOTE_ADDR === undefined || given.REMOTE_ADDR === '' ? '(none)' : given.REMOTE_ADDR
  const path = [given.GIT_EXEC_PATH, given.PATH, process.env.PATH].filter((part) => part !== undefined && part !== '').join(':')
  const { GIT_NO_LAZY_FETCH: _, ...clean } = cleanEnvironment()
  return {
    ...clean,
    GIT_COMMITTER_NAME: user,
    GIT_COMMITTER_EMAIL: `${user}@http.${address}`,
    ...given,
    PATH: path,
    GIT_DIR: '.',
  }
}

/** Where that hook is; null when there is none that may be run. */
export function findHook(place: DiskPlace, hooksPath: string | undefined, name: string, say: Say): string | null {
  const folder = hooksPath === undefined ? join(place.gitDir, 'hooks') : isAbsolute(hooksPath) ? hooksPath : join(place.gitDir, hooksPath)
  const path = join(folder, name)
  if (!existsSync(path)) return null
  try {
    accessSync(path, constants.X_OK)
    return path
  } catch {
    say(
      `hint: The '${path}' hook was ignored because it's not set as executable.\n` +
        'hint: You can disable this warning with `git config set advice.ignoredHook false`.\n',
    )
    return null
  }
}

/** Runs it to its end; what it prints is said to the pusher. */
export async function runHook(
  path: string,
  args: readonly string[],
  options: { place: DiskPlace; environment: Environment; input: string; say: Say },
): Promise<number> {
  const child = start(path, args, options.place, options.environment)
  child.stdin.on('error', () => {}) // it need not read
  child.stdin.end(options.input)
  child.stdout.on('data', options.say)
  child.stderr.on('data', options.say)
  return ended(child)
}

/** Starts one that is spoken with; what it prints as errors is said to the pusher. */
export function startHook(path: string, options: { place: DiskPlace; environment: Environment; say: Say }): HookProcess {
  const child = start(path, [], options.place, options.environment)
  child.stdin.on('error', () => {})
  child.stderr.on('data', options.say)
  return {
    output: child.stdout,
    write: (bytes) => void child.stdin.write(bytes),
    end: () => void child.stdin.end(),
    exit: ended(child),
  }
}

function start(path: string, args: readonly string[], place: DiskPlace, environment: Environment): ChildProcessWithoutNullStreams {
  return spawn(path, args, { cwd: place.gitDir, env: environment, stdio: ['pipe', 'pipe', 'pipe'], ...asOwner(place) })
}

async function ended(child: ChildProcessWithoutNullStreams): Promise<number> {
  const failed = once(child, 'error').then(() => 255) // no interpreter, say
  const closed = once(child, 'close').then(([code]) => (code as number | null) ?? 255)
  failed.catch(() => {})
  closed.catch(() => {})
  return Promise.race([failed, closed])
}
