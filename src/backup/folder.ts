// The folder that a backup goes to: one of its own, and nowhere near what is live, since a backup removes from its folder what it doesn't need.
import { lstat, readdir, realpath, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { InputError, isSystemError } from '../base/index.ts'
import { readManifest } from './manifest.ts'

/** A path that `backupFolder` has looked at. */
export type BackupFolder = string & { readonly __brand: 'BackupFolder' }

/** Stands in the folder until its first backup is whole, so that one that was interrupted is gone on with. */
const begunName = 'stemma-backup-begun'

/**
 * The path, when it may be a backup's folder: not there yet, empty, or with a backup in it, and apart from every folder of `live`. Writes nothing.
 * @throws InputError `backup`, which says what to do
 */
export async function backupFolder(path: string, live: readonly string[]): Promise<BackupFolder> {
  const folder = resolve(path)
  // what is below these two is removed, wherever they lead
  const places = await Promise.all([folder, join(folder, 'bucket'), join(folder, 'dumps')].map(settle))
  for (const kept of live) {
    const real = await settle(resolve(kept))
    if (!places.some((place) => isWithin(place, real) || isWithin(real, place))) continue
    const where = `${folder} is, holds or lies in ${real}, where this Stemma keeps what it stores`
    throw new InputError('backup', `${where}: a backup there would remove it. Give a folder of its own, apart from that`)
  }
  const names = await readdir(folder).catch((cause: unknown): string[] => {
    if (isSystemError(cause, 'ENOENT')) return []
    throw unusable(folder, cause)
  })
  if (names.length > 0 && (await readManifest(folder)) === null && !names.includes(begunName)) {
    const what = `${folder} isn't empty and holds no backup: what is in it could be removed`
    throw new InputError('backup', `${what}. Give a folder that is empty or isn't there yet`)
  }
  return folder as BackupFolder
}

/** From now on the folder is a backup's. */
export async function markBegun(folder: BackupFolder): Promise<void> {
  if ((await readManifest(folder)) === null) await writeFile(join(folder, begunName), '', { mode: 0o600 })
}

/** Its manifest says so from now on. */
export async function markWhole(folder: BackupFolder): Promise<void> {
  await rm(join(folder, begunName), { force: true })
}

/** Where a path leads, links followed; its last parts need not be there. */
async function settle(path: string): Promise<string> {
  try {
    return await realpath(path)
  } catch (error) {
    const isThere = await lstat(path).then(
      () => true,
      () => false,
    )
    if (isThere || !isSystemError(error, 'ENOENT')) throw unusable(path, error) // a link that leads nowhere, a file on the way
    return join(await settle(dirname(path)), basename(path))
  }
}

function isWithin(inner: string, outer: string): boolean {
  const way = relative(outer, inner)
  return way !== '..' && !way.startsWith('../')
}

function unusable(path: string, cause: unknown): InputError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new InputError('backup', `${path} can't be a backup's folder (${reason}); give another one, or free its place`, { cause })
}
