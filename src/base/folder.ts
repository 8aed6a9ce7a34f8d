// Making folders.
import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { isSystemError } from './errors.ts'

/**
 * Makes a folder and those above it, each with `mode`; what is there stays as it is. Throws Node's system error when it can't be made. Node's
 * own `recursive` asks for ever where the system answers ENOENT below a folder that exists, as in /proc.
 */
export async function makeFolders(folder: string, mode: number): Promise<void> {
  try {
    await mkdir(folder, { mode })
  } catch (error) {
    const above = dirname(folder)
    if (isSystemError(error, 'ENOENT') && above !== folder) {
      await makeFolders(above, mode)
      await mkdir(folder, { mode }).catch(passOver)
    } else {
      passOver(error)
    }
  }
}

/** Whether it is a folder that is there, its user finds out. */
function passOver(error: unknown): void {
  if (!isSystemError(error, 'EEXIST')) throw error
}
