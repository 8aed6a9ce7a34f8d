// What a backup's folder holds: docs/backup.md. manifest.json names the dump that counts; it is written last, and moved into place as a whole.
import { open, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { InputError, isSystemError } from '../base/index.ts'

export const manifestName = 'manifest.json'
export const manifestFormat = 1

export interface DumpedTable {
  readonly name: string
  readonly columns: readonly string[]
  readonly rows: number
  /** Of the file `dumps/{dump}/{name}.jsonl.zst`. */
  readonly sha256: string
}

export interface Manifest {
  readonly format: typeof manifestFormat
  /** The release that made it. */
  readonly stemma: string
  /** The moment that the rows are of. */
  readonly takenAt: string
  readonly dump: string
  readonly migrations: readonly string[]
  /** In the order in which they are put back. */
  readonly tables: readonly DumpedTable[]
  readonly keys: number
  readonly keyBytes: number
  /** Keys that rows name and that the bucket lacked. */
  readonly missing: readonly string[]
}

export function dumpFolder(folder: string, dump: string): string {
  return join(folder, 'dumps', dump)
}

export function tablePath(folder: string, dump: string, table: string): string {
  return join(dumpFolder(folder, dump), `${table}.jsonl.zst`)
}

/** Null when there is none. InputError `backup` when it can't be read as one. */
export async function readManifest(folder: string): Promise<Manifest | null> {
  let text: string
  try {
    text = await readFile(join(folder, manifestName), 'utf8')
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return null
    throw new InputError('backup', `${join(folder, manifestName)} can't be read: ${error instanceof Error ? error.message : String(error)}`)
  }
  const manifest = parse(text) as Manifest | null
  // other programs, too, have manifests of that name
  if (manifest?.format !== manifestFormat || typeof manifest.dump !== 'string' || !Array.isArray(manifest.tables))
    throw new InputError('backup', `${join(folder, manifestName)} is no manifest of a backup that this release knows`)
  return manifest
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

export async function writeManifest(folder: string, manifest: Manifest): Promise<void> {
  const path = join(folder, manifestName)
  {
    await using file = await open(`${path}.new`, 'w', 0o600)
    await file.writeFile(`${JSON.stringify(manifest, null, 2)}\n`)
    await file.sync()
  }
  await rename(`${path}.new`, path)
  await using parent = await open(folder, 'r')
  await parent.sync()
}
