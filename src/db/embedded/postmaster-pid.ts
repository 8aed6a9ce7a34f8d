// The postmaster.pid file, and what it says about a PostgreSQL that may still run on a cluster although its server is gone.
import { readFile, readdir, readlink, realpath, rm } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { join } from 'node:path'
import { type Log, UnavailableError, isSystemError } from '../../base/index.ts'

/** Stops a PostgreSQL that outlived its server, or removes what a killed one left. The caller holds the data folder's lock. */
export async function clearOrphan(cluster: string, log: Log): Promise<void> {
  const file = join(cluster, 'postmaster.pid')
  const pid = await readPid(file)
  if (pid === null) return
  if (!(await runsOn(pid, cluster))) {
    // The number may belong to a stranger by now; PostgreSQL itself would refuse to start if that were a process of the same user.
    await rm(file, { force: true })
    return
  }
  log.warn({ pid }, 'stopping a PostgreSQL that outlived its server')
  for (const [signal, waitMs] of [
    ['SIGINT', 30_000],
    ['SIGQUIT', 10_000],
    ['SIGKILL', 5_000],
  ] as const) {
    send(pid, signal)
    if (await ended(pid, cluster, waitMs)) return
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

async function ended(pid: number, cluster: string, waitMs: number): Promise<boolean> {
  for (let waited = 0; waited < waitMs; waited += 20) {
    if (!(await runsOn(pid, cluster))) return true
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
