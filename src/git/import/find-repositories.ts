// Which repositories lie below a folder, and what they are called here.
// Rule for names: the path below the folder, without a `.git` at its end; slashes become hyphens, and so does every other character that
// no name has. Where two come to the same name (in any case), the later of them gets `-2`, `-3`, ….
import { existsSync, readdirSync } from 'node:fs'
import { join, relative } from 'node:path'
import { isRepositoryName } from '../../access/index.ts'
import { findGitFolder, isGitFolder } from '../disk/index.ts'
import { refuseImport } from './origin.ts'

export interface FoundRepository {
  readonly path: string
  readonly name: string
}

const deepest = 64
const longestName = 100

/**
 * The folder itself when it is a repository; else every one below it, by path. Symbolic links are not followed (those to a repository are
 * told to `onLink`), and a repository is not searched for others. InputError `import-nothing` when there is none.
 */
export function findRepositories(folder: string, onLink: (path: string) => void = () => {}): readonly FoundRepository[] {
  if (findGitFolder(folder) !== null) return [{ path: folder, name: nameOf(lastPart(folder)) }]
  const paths: string[] = []
  if (!existsSync(folder)) throw refuseImport('import-nothing', `${folder}: there is no such folder`)
  search(folder, { paths, onLink }, 0)
  if (paths.length === 0) throw refuseImport('import-nothing', `${folder}: neither a repository nor a folder with repositories in it`)
  const taken = new Set<string>()
  return paths.map((path) => ({ path, name: unique(nameOf(relative(folder, path)), taken) }))
}

interface Finds {
  readonly paths: string[]
  readonly onLink: (path: string) => void
}

function search(folder: string, found: Finds, depth: number): void {
  if (depth > deepest) return
  for (const entry of readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(folder, entry.name)
    // only questions that a link to a file, to nowhere or to itself answers with no
    if (entry.isSymbolicLink() && (isGitFolder(path) || isGitFolder(join(path, '.git')))) found.onLink(path)
    if (!entry.isDirectory()) continue
    if (isGitFolder(path) || findGitFolder(path) !== null) found.paths.push(path)
    else search(path, found, depth + 1)
  }
}

/** The name for a path or the end of a URL. InputError `import-name` when nothing of it is left. */
export function nameOf(path: string): string {
  const plain = path.replace(/[\\/]+$/, '').replace(/[\\/]?\.git$/i, '')
  const name = plain
    .replaceAll(/[^A-Za-z0-9_.-]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
    .slice(0, longestName)
    .replace(/\.git$/i, '')
  if (!isRepositoryName(name)) throw refuseImport('import-name', `no name for a repository can be made of '${path}': give one with --name`)
  return name
}

function lastPart(path: string): string {
  const plain = path.replace(/[\\/]+$/, '').replace(/[\\/]\.git$/, '')
  return plain.slice(plain.lastIndexOf('/') + 1)
}

function unique(name: string, taken: Set<string>): string {
  let candidate = name
  for (let number = 2; taken.has(candidate.toLowerCase()); number++) {
    const ending = `-${number}`
    candidate = `${name.slice(0, longestName - ending.length)}${ending}`
  }
  taken.add(candidate.toLowerCase())
  return candidate
}
