// A folder for files that are there for a moment: made again when it was removed, asked whether it can be written, and what its errors mean.
import { mkdir, readdir, rm, statfs, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { isSystemError, UnavailableError } from './errors.ts'

/** With less than this left, a spool counts as full before it is. */
export const spoolFloorBytes = 16 << 20
const probeBytes = 4096

/** What a system error in that folder means: UnavailableError 'spool-full', 'spool-denied', 'spool-missing'; other errors as they are. */
export function spoolError(error: unknown, folder: string): unknown {
  const is = (...codes: string[]): boolean => codes.some((code) => isSystemError(error, code))
  if (is('ENOSPC', 'EDQUOT')) return new UnavailableError('spool-full', `no space left in ${folder}`, { cause: error })
  if (is('EACCES', 'EPERM', 'EROFS')) return new UnavailableError('spool-denied', `${folder} can't be written`, { cause: error })
  if (is('ENOENT', 'ENOTDIR')) return new UnavailableError('spool-missing', `the folder ${folder} is gone`, { cause: error })
  return error
}

/**
 * Makes it again where something stands beside it. A folder above it that is empty may be a place where a disk should be mounted: then, and
 * where that one is gone too, UnavailableError 'spool-missing'.
 */
export async function remakeSpool(folder: string): Promise<void> {
  const above = dirname(folder)
  try {
    if ((await readdir(above)).length > 0) return await mkdir(folder, { mode: 0o700 })
  } catch (error) {
    if (isSystemError(error, 'EEXIST')) return
    throw spoolError(error, folder)
  }
  throw new UnavailableError('spool-missing', `the folder ${folder} is gone, and ${above} is empty: is its disk mounted?`)
}

/** Resolves when a file could be written there and room is left; makes the folder again first. Throws what `spoolError` says. */
export async function probeSpool(folder: string): Promise<void> {
  try {
    await writeProbe(folder).catch(async (error: unknown) => {
      if (!isSystemError(error, 'ENOENT')) throw error
      await remakeSpool(folder)
      await writeProbe(folder)
    })
    const { bavail, bsize } = await statfs(folder)
    if (bavail * bsize >= spoolFloorBytes) return
  } catch (error) {
    throw spoolError(error, folder)
  }
  throw new UnavailableError('spool-full', `hardly any space left in ${folder}`)
}

/** One name for each process: what a crash left is written over. */
async function writeProbe(folder: string): Promise<void> {
  const path = join(folder, `probe-${process.pid}`)
  try {
    await writeFile(path, new Uint8Array(probeBytes), { mode: 0o600 })
  } finally {
    await rm(path, { force: true })
  }
}
