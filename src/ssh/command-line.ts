// What a client asks to be run (RFC 4254 §6.5): one of git's services or git-lfs-authenticate, on one repository. Nothing is ever run: the line is read
// for what it names, and what isn't one of these is refused.
import { InputError } from '../base/index.ts'

export type SshCommand =
  | { readonly kind: 'git'; readonly service: 'git-upload-pack' | 'git-receive-pack' | 'git-upload-archive'; readonly path: RepositoryPath }
  | { readonly kind: 'lfs'; readonly operation: 'download' | 'upload'; readonly path: RepositoryPath }

/** The two parts of a path, not looked up yet; null: it names no repository that could exist. */
export type RepositoryPath = { readonly owner: string; readonly repo: string } | null

const mostCharacters = 4096
const services = ['git-upload-pack', 'git-receive-pack', 'git-upload-archive'] as const
const loginPattern = /^[A-Za-z0-9_.-]{1,64}$/
const repositoryPattern = /^[A-Za-z0-9_.-]{1,104}$/

/** InputError `ssh-command` with what to say to who asked for something else. */
export function parseSshCommand(line: string): SshCommand {
  if (line.length > mostCharacters) throw refused('the command is too long')
  const words = wordsOf(line)
  if (words === null) throw refused('the command is not understood')
  const [first, ...others] = words
  // `git upload-pack` is another way to write it
  const [name = '', ...rest] = first === 'git' && others[0] !== undefined ? [`git-${others[0]}`, ...others.slice(1)] : [first, ...others]
  const service = services.find((known) => known === name)
  if (service !== undefined) {
    if (rest.length !== 1) throw refused(`${service} takes the path of one repository`)
    return { kind: 'git', service, path: parsePath(rest[0] as string) }
  }
  if (name !== 'git-lfs-authenticate') throw refused(`'${shown(name)}' is not to be had here`)
  const [path, operation, more] = rest
  // older clients name the object, too
  if (path === undefined || (operation !== 'download' && operation !== 'upload') || (more !== undefined && rest.length > 3)) {
    throw refused('git-lfs-authenticate takes a path, and download or upload')
  }
  return { kind: 'lfs', operation, path: parsePath(path) }
}

/** `/owner/name.git`, with or without the slash and the ending. No `~`, no other folders: what a shell or a file system would make of it doesn't matter. */
export function parsePath(path: string): RepositoryPath {
  const [owner = '', repo = '', ...more] = path.replace(/^\//, '').replace(/\/$/, '').split('/')
  if (more.length > 0 || !loginPattern.test(owner) || !repositoryPattern.test(repo)) return null
  return { owner, repo: repo.replace(/\.git$/i, '') }
}

/** Words in single or double quotes or none, as git quotes them (quote.c, sq_quote): `'it'\''s'`. Null where a shell would do anything else. */
function wordsOf(line: string): string[] | null {
  const words: string[] = []
  let word: string | null = null
  for (let at = 0; at < line.length; ) {
    const rest = line.slice(at)
    const plain = /^[A-Za-z0-9_@%+=:,./~-]+/.exec(rest)
    const quoted = /^'([^']*)'/.exec(rest) ?? /^"([^"\\$`!]*)"/.exec(rest)
    const escaped = /^\\(['!])/.exec(rest)
    const space = /^ +/.exec(rest)
    const found = plain ?? quoted ?? escaped ?? space
    if (found === null) return null
    at += found[0].length
    if (found === space) {
      if (word !== null) words.push(word)
      word = null
    } else word = (word ?? '') + (found[1] ?? found[0])
  }
  return word === null ? words : [...words, word]
}

function shown(name: string): string {
  return name.slice(0, 60).replaceAll(/[^\x20-\x7e]/g, '?')
}

function refused(reason: string): InputError {
  return new InputError('ssh-command', `${reason}. This server speaks git and git-lfs-authenticate alone.`)
}
