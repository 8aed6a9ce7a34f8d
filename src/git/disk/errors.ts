// What can be wrong with a repository on disk. Every message names the file: it is for whoever owns the disk.
import { readFileSync } from 'node:fs'
import { InputError, isSystemError } from '../../base/index.ts'

export type DiskCode =
  | 'disk-not-a-repository'
  | 'disk-unsupported'
  | 'disk-config'
  | 'disk-ref'
  | 'disk-alternate'
  | 'disk-pack'
  | 'disk-object'
  | 'disk-read'

/** An InputError about that file. */
export function wrong(code: DiskCode, path: string, what: string, cause?: unknown): InputError {
  return new InputError(code, `${path}: ${what}`, { cause })
}

/** The whole file, or null when there is none. InputError `disk-read` when it can't be read. */
export function readIfThere(path: string): Uint8Array | null {
  try {
    return readFileSync(path)
  } catch (error) {
    if (isSystemError(error, 'ENOENT') || isSystemError(error, 'ENOTDIR')) return null
    throw wrong('disk-read', path, error instanceof Error ? `can't be read (${error.message})` : "can't be read", error)
  }
}

/** What reading does, with system errors as InputError `disk-read`. */
export function reading<T>(path: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof InputError || !(error instanceof Error) || !('syscall' in error)) throw error
    throw wrong('disk-read', path, `can't be read (${error.message})`, error)
  }
}
