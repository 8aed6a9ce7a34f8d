// The files in which PostgreSQL writes its process id (postmaster.pid, the socket's lock file), and what they say about one that may still
// run on a cluster although its server is gone. A copied data folder holds them too: their process then is a stranger's.
import { readFile, readdir, readlink, realpath, rm } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { join } from 'node:path'
import { type Log, UnavailableError, isSystemError } from '../../base/index.ts'
import { socketName } from './socket-folder.ts'

/** What bars a start on a cluster. */
export interface ClusterFiles {
  readonly cluster: string
  /** Where its socket stands; nobody else's does. */
  readonly socketFolder: string
}

/**
 * Stops a PostgreSQL that outlived its server, or removes what a killed one left. The caller holds the data folder's lock. Throws the
 * signal's reason when that fires before the PostgreSQL has ended.
 */
export async function clearOrphan({ cluster, socketFolder }: ClusterFiles, log: Log, signal?: AbortSignal): Promise<void> {
  await clearPidFile(join(cluster, 'postmaster.pid'), cluster, log, signal)
  const socket = join(socketFolder, socketName)
  if (await clearPidFile(`${socket}.lock`, cluster, log, signal)) await rm(socket, { force: true })
}

/** True when the file was there and is removed now; one that ends in order removes its own. */
async function clearPidFile(file: string, cluster: string, log: Log, signal?: AbortSignal): Promise<boolean> {
  const pid = await readPid(file)
  if (pid === null) return false
  if (await runsOn(pid, cluster)) await stopOrphan(pid, cluster, log, signal)
  // The number may belong to a stranger by now; PostgreSQL itself would refuse to start if that were a process of the same user.
  await rm(file, { force: true })
  return true
}

async function stopOrphan(pid: number, cluster: string, log: Log, signal?: AbortSignal): Promise<void> {
  log.warn({ pid }, 'stopping a PostgreSQL that outlived its server')
  for (const [order, waitMs] of [
    ['SIGINT', 30_000],
    ['SIGQUIT', 10_000],
    ['SIGKILL', 5_000],
  ] as const) {
    send(pid, order)
    if (await ended(pid, cluster, waitMs, signal)) return
  }
  throw new UnavailableError('orphan-postgresql', `PostgreSQL (process ${pid}) still runs on ${cluster} and could not be stopped`)
}

/**
 * Kills what still works on a cluster whose postmaster is dead: backends that wait for a lock of one that died, or were stopped, would never
 * notice its death, and block the next one. Nothing is lost: the log is replayed, as after any crash.
 */
export async function killBackends(cluster: string, log: Log): Promise<void> {
  for (const name of await readdir('/proc')) {
    const pid = Number(name)
    if (!Number.isSafeInteger(pid) || !(await runsOn(pid, cluster))) continue
    log.warn({ pid }, 'killing a PostgreSQL process that outlived its postmaster')
    send(pid, 'SIGKILL')
  }
}

async function readPid(file: string): Promise<number | null> {
  try {
    const pid = Number((await readFile(file, 'latin1')).split('\n')[0])
    return Number.isSafeInteger(pid) && pid > 1 ? pid : 0
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return null
    throw error
  }
}

/** True when that process is a PostgreSQL whose working folder is the cluster. A zombie isn't. */
async function runsOn(pid: number, cluster: string): Promise<boolean> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'latin1')
    const name = stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'))
    const state = stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3)
    return name === 'postgres' && state !== 'Z' && (await readlink(`/proc/${pid}/cwd`)) === (await realpath(cluster))
  } catch {
    return false
  }
}

async function ended(pid: number, cluster: string, waitMs: number, signal?: AbortSignal): Promise<boolean> {
  for (let waited = 0; waited < waitMs; waited += 20) {
    if (!(await runsOn(pid, cluster))) return true
    signal?.throwIfAborted()
    await sleep(20)
  }
  return false
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // gone already
  }
}
