// Where the embedded PostgreSQL's socket stands. A Unix socket's path holds at most 107 bytes (sun_path, unix(7)), so a data folder with
// a long name gets a private folder under /tmp instead.
import { createHash } from 'node:crypto'
import { chmod, chown, lstat, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { isSystemError } from '../../base/index.ts'
import type { Identity } from './identity.ts'

const longestSocketPath = 107
/** The socket's file; beside it stands a lock file, with `.lock` behind the name. */
export const socketName = '.s.PGSQL.5432'

export interface SocketFolder {
  readonly path: string
  /** Removes it where it stands outside the data folder. */
  remove(): Promise<void>
}

/** A folder that only PostgreSQL's uid (and root) may enter. */
export async function makeSocketFolder(folder: string, identity: Identity): Promise<SocketFolder> {
  const near = join(folder, 'socket')
  if (Buffer.byteLength(join(near, socketName)) <= longestSocketPath) {
    await mkdir(near, { recursive: true, mode: 0o700 })
    if (identity.isOther) await chown(near, identity.uid, identity.gid)
    return { path: near, remove: async () => {} }
  }
  const path = await privateTemporaryFolder(folder, identity)
  return { path, remove: () => rm(path, { recursive: true, force: true }) }
}

/** Named after the data folder, so that a killed server's folder is used again; another name when someone else took that one. */
async function privateTemporaryFolder(folder: string, identity: Identity): Promise<string> {
  const named = join('/tmp', `stemma-${createHash('sha256').update(folder).digest('hex').slice(0, 16)}`)
  try {
    await mkdir(named, { mode: 0o700 })
  } catch (error) {
    if (!isSystemError(error, 'EEXIST')) throw error
    const stat = await lstat(named)
    if (stat.isDirectory() && stat.uid === identity.uid && (stat.mode & 0o077) === 0) return named
    const other = await mkdtemp('/tmp/stemma-')
    if (identity.isOther) await chown(other, identity.uid, identity.gid)
    return other
  }
  await chmod(named, 0o700)
  if (identity.isOther) await chown(named, identity.uid, identity.gid)
  return named
}
