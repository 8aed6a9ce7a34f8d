// Where a repository lies on the disk: the folder that git would take for it (enter_repo), below the bridge's root and nowhere else.
import { readFileSync, realpathSync, statSync } from 'node:fs'
import { isAbsolute, join, resolve } from 'node:path'

export interface DiskPlace {
  /** The folder with HEAD, objects and refs; no symbolic link in it. */
  readonly gitDir: string
  /** Tells a folder from another one that was made in its place. */
  readonly identity: string
  /** Who the files belong to: git acts as that user where we are root. */
  readonly owner: { readonly uid: number; readonly gid: number }
}

/** In the order in which git tries them. */
const endings = ['/.git', '', '.git/.git', '.git']

/** Null when no repository is there, or when it lies outside of the root. */
export function findPlace(root: string, path: string): DiskPlace | null {
  if (path.split('/').includes('..')) return null
  const realRoot = realpathSync(root)
  const inside = isAbsolute(path) && [resolve(root), realRoot].some((base) => path === base || path.startsWith(`${base}/`))
  const folder = inside ? path : join(root, path)
  for (const ending of endings) {
    const gitDir = gitDirAt(folder.replace(/\/+$/, '') + ending)
    if (gitDir === null) continue
    if (gitDir !== realRoot && !gitDir.startsWith(`${realRoot}/`)) return null
    const { dev, ino, birthtimeNs, uid, gid } = statSync(gitDir, { bigint: true })
    return { gitDir, identity: `${dev}:${ino}:${birthtimeNs}`, owner: { uid: Number(uid), gid: Number(gid) } }
  }
  return null
}

function gitDirAt(path: string): string | null {
  try {
    const found = statSync(path)
    if (found.isFile()) {
      const named = /^gitdir: (.*?)\n*$/s.exec(readFileSync(path, 'utf8'))?.[1]
      return named === undefined ? null : gitDirAt(resolve(path, '..', named))
    }
    return ['objects', 'refs'].every((name) => statSync(join(path, name)).isDirectory()) && isThere(join(path, 'HEAD'))
      ? realpathSync(path)
      : null
  } catch {
    return null
  }
}

function isThere(path: string): boolean {
  try {
    statSync(path)
    return true
  } catch {
    return false
  }
}
