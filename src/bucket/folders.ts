// Folders and files: what the filesystem bucket needs of them.
import { constants, type Dirent } from 'node:fs'
import { open, opendir } from 'node:fs/promises'
import { join } from 'node:path'
import { isSystemError } from '../base/index.ts'

/** Brings a folder's entries to the disk: what was made, renamed or removed in it stays so after a power cut. */
export async function syncFolder(folder: string): Promise<void> {
  await using handle = await open(folder, constants.O_RDONLY | constants.O_DIRECTORY)
  await handle.sync()
}

/** Brings a file's bytes to the disk. */
export async function syncFile(path: string): Promise<void> {
  await using handle = await open(path, 'r+')
  await handle.sync()
}

/** The paths of all regular files below a folder, in no order, passing over the folder `except`. */
export async function* walk(folder: string, except: string): AsyncIterable<string> {
  let entries: AsyncIterable<Dirent>
  try {
    entries = await opendir(folder)
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return
    throw error
  }
  for await (const entry of entries) {
    const path = join(folder, entry.name)
    if (path === except) continue
    if (entry.isDirectory()) yield* walk(path, except)
    else if (entry.isFile()) yield path
  }
}
