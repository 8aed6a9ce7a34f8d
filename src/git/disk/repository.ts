// A repository on disk, bare or with a work tree, read without git: where it is, what its config says, refs and objects.
// Nothing is written and nothing locked: refs are read before objects, so that what a push adds meanwhile does no harm; a repack that removes
// packs meanwhile shows as a missing file.
import { existsSync, lstatSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { asBuffer } from '../../base/index.ts'
import { type ObjectFormat, type ObjectId, parseObjectId } from '../format/object-id.ts'
import { readIfThere, wrong } from './errors.ts'
import { DiskObjects, type DiskObjectsOptions } from './objects.ts'
import { type DiskRefs, readDiskRefs } from './refs.ts'
import { type DiskSettings, parseSettings, setting, truth } from './settings.ts'

export interface DiskRepository {
  /** The git folder: the repository itself when it is bare, else the `.git` in it. */
  readonly folder: string
  readonly format: ObjectFormat
  readonly isBare: boolean
  readonly settings: DiskSettings
  /** Commits whose parents are left out; null when the history is whole. */
  readonly shallow: readonly ObjectId[] | null
  /** Objects may be absent: they are fetched from a promisor remote when they are needed. */
  readonly isPartial: boolean
  /** Refs as they are now: read anew by each call. InputError `disk-ref`. */
  readRefs(): DiskRefs
  /** Opens packs and folders as they are now; the caller closes it. InputError `disk-alternate`, `disk-pack`, `disk-read`. */
  openObjects(options?: Omit<DiskObjectsOptions, 'format'>): DiskObjects
}

/** Extensions (repository format version 1) that change nothing for a reader, and those that are read here. */
const knownExtensions: ReadonlySet<string> = new Set([
  'noop',
  'noop-v1',
  'preciousobjects',
  'partialclone',
  'worktreeconfig',
  'objectformat',
  'refstorage',
  'relativeworktrees',
])

/** The git folder of the repository at that path, or null when there is none: the path itself, its `.git`, or what a `.git` file names. */
export function findGitFolder(path: string): string | null {
  if (isGitFolder(path)) return path
  const inner = join(path, '.git')
  const found = statSync(inner, { throwIfNoEntry: false })
  if (found?.isDirectory() === true) return isGitFolder(inner) ? inner : null
  if (found?.isFile() !== true) return null
  const target = /^gitdir: (.+?)\s*$/s.exec(text(inner) ?? '')?.[1]
  if (target === undefined) return null
  const folder = resolve(path, target)
  // a linked work tree shares all but its own HEAD with the repository that it belongs to
  const common = text(join(folder, 'commondir'))?.trim()
  const shared = common === undefined ? folder : resolve(folder, common)
  return isGitFolder(shared) ? shared : null
}

/** True for a folder that git would take for a repository's: HEAD, objects and refs are there. */
export function isGitFolder(path: string): boolean {
  if (!existsSync(join(path, 'objects')) || !existsSync(join(path, 'refs'))) return false
  return lstatSync(join(path, 'HEAD'), { throwIfNoEntry: false }) !== undefined // which may be a link to a branch that isn't born
}

/**
 * Opens the repository at that path. InputError `disk-not-a-repository`; `disk-unsupported` when its format is one that isn't read here;
 * `disk-config` or `disk-read` when a file of it is bad.
 */
export function openDiskRepository(path: string): DiskRepository {
  const folder = findGitFolder(path)
  if (folder === null) throw wrong('disk-not-a-repository', path, 'is not a git repository')
  const configPath = join(folder, 'config')
  const settings = parseSettings(readIfThere(configPath) ?? new Uint8Array(0), configPath)
  const format = formatOf(settings, configPath)
  const shallow = readShallow(join(folder, 'shallow'), format)
  const isPartial = setting(settings, 'extensions.partialclone') !== null || hasPromisor(settings)
  return {
    folder,
    format,
    isBare: truth(settings, 'core.bare') ?? folder === path,
    settings,
    shallow,
    isPartial,
    readRefs: () => readDiskRefs(folder, format),
    openObjects: (options = {}) => new DiskObjects(join(folder, 'objects'), { format, ...options }),
  }
}

function formatOf(settings: DiskSettings, path: string): ObjectFormat {
  const version = Number(setting(settings, 'core.repositoryformatversion') ?? '0')
  if (version !== 0 && version !== 1) throw wrong('disk-unsupported', path, `repository format version ${version} is not supported`)
  const extensions = [...settings.keys()].filter((key) => key.startsWith('extensions.')).map((key) => key.slice('extensions.'.length))
  // version 0 has no extensions, but git heeds this one there, too
  const refStorage = setting(settings, 'extensions.refstorage')?.toLowerCase() ?? 'files'
  if (refStorage !== 'files') {
    throw wrong(
      'disk-unsupported',
      path,
      `refs are stored as '${refStorage}', which is not read here; 'git refs migrate --ref-format=files' makes them files`,
    )
  }
  if (version === 0) return 'sha1'
  const unknown = extensions.find((name) => !knownExtensions.has(name))
  if (unknown !== undefined) throw wrong('disk-unsupported', path, `the extension '${unknown}' is not supported`)
  const format = setting(settings, 'extensions.objectformat')?.toLowerCase() ?? 'sha1'
  if (format !== 'sha1' && format !== 'sha256') throw wrong('disk-unsupported', path, `the object format '${format}' is not supported`)
  return format
}

function readShallow(path: string, format: ObjectFormat): readonly ObjectId[] | null {
  const lines = (text(path) ?? '').split('\n').filter((line) => line !== '')
  if (lines.length === 0) return null
  return lines.map((line) => {
    const oid = parseObjectId(line.trim(), format)
    if (oid === null) throw wrong('disk-ref', path, `bad shallow line: ${line.slice(0, 200)}`)
    return oid
  })
}

function hasPromisor(settings: DiskSettings): boolean {
  return [...settings.keys()].some((key) => /^remote\..*\.promisor$/s.test(key) && truth(settings, key) === true)
}

function text(path: string): string | null {
  const bytes = readIfThere(path)
  return bytes === null ? null : asBuffer(bytes).toString('utf8')
}
