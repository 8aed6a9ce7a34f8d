// Which paths of a tree are wanted (gitglossary(7), "pathspec"): literal paths with all below them, patterns, exclusions.
// Paths have one character for each byte (latin1).
import { InputError } from '../../base/index.ts'
import { compileWildcard, hasWildcard, matchesWildcard, type Wildcard } from '../format/wildmatch.ts'

interface Item {
  readonly excludes: boolean
  /** Empty: everything. */
  readonly text: string
  /** What stands before the first wildcard. */
  readonly fixed: string
  readonly ignoresCase: boolean
  readonly pattern: Wildcard | null
}

/** Of all patterns together, in characters: each path is compared with each. */
const mostCost = 32 << 10

export class Pathspec {
  readonly #wanted: readonly Item[]
  readonly #unwanted: readonly Item[]

  /** InputError `bad-pathspec`, in git's words. */
  constructor(texts: readonly string[]) {
    const items = texts.map(parseItem)
    this.#wanted = items.filter((item) => !item.excludes)
    this.#unwanted = items.filter((item) => item.excludes)
    this.cost = items.reduce((sum, { pattern }) => sum + (pattern?.steps.length ?? 1), 0)
    if (this.cost > mostCost) throw bad('pathspecs with too many wildcards')
  }

  /** What asking for a path costs, for each byte of it. */
  readonly cost: number

  /** True when nothing is left out. */
  get isEverything(): boolean {
    return this.#unwanted.length === 0 && this.#wanted.every((item) => item.text === '')
  }

  matches(path: string, isFolder: boolean): boolean {
    if (this.#unwanted.some((item) => matchesItem(item, path, isFolder))) return false
    return this.#wanted.length === 0 || this.#wanted.some((item) => matchesItem(item, path, isFolder))
  }

  /** False when nothing below the folder can match. */
  mayMatchBelow(folder: string): boolean {
    if (this.#unwanted.some((item) => item.pattern === null && matchesItem(item, folder, true))) return false
    return this.#wanted.length === 0 || this.#wanted.some((item) => reaches(item, `${folder}/`))
  }
}

function matchesItem(item: Item, path: string, isFolder: boolean): boolean {
  const { ignoresCase, pattern, text } = item
  if (text === '') return true
  const subject = ignoresCase ? path.toLowerCase() : path
  if (text.endsWith('/')) {
    if (subject.startsWith(text) || (isFolder && `${subject}/` === text)) return true
  } else if (subject === text || subject.startsWith(`${text}/`)) {
    return true
  }
  return pattern !== null && matchesWildcard(pattern, subject)
}

function reaches({ fixed, ignoresCase, text }: Item, folder: string): boolean {
  const subject = ignoresCase ? folder.toLowerCase() : folder
  const whole = text.endsWith('/') ? text : `${text}/`
  return text === '' || subject.startsWith(fixed) || fixed.startsWith(subject) || subject.startsWith(whole)
}

const shortMagic: Readonly<Record<string, string>> = { '!': 'exclude', '^': 'exclude', '/': 'top' }

function parseItem(given: string): Item {
  if (given === '') {
    throw bad('empty string is not a valid pathspec. please use . instead if you meant to match all paths')
  }
  const { magic, rest } = parseMagic(given)
  const has = (word: string) => magic.has(word)
  if (has('literal') && has('glob')) throw bad(`${given}: 'literal' and 'glob' are incompatible`)
  const path = normalise(rest, given)
  const ignoresCase = has('icase')
  const text = ignoresCase ? path.toLowerCase() : path
  const wild = !has('literal') && hasWildcard(path)
  return {
    excludes: has('exclude'),
    text,
    fixed: wild ? text.slice(0, text.search(/[*?[\\]/)) : text,
    ignoresCase,
    pattern: wild ? compileWildcard(text, has('glob')) : null,
  }
}

function parseMagic(given: string): { magic: ReadonlySet<string>; rest: string } {
  const magic = new Set<string>()
  if (given[0] !== ':') return { magic, rest: given }
  if (given[1] === '(') {
    const end = given.indexOf(')')
    if (end < 0) throw bad(`Missing ')' at the end of pathspec magic in '${given}'`)
    for (const word of given.slice(2, end).split(',')) {
      if (word === '') continue
      if (/^attr(:|$)/.test(word)) throw bad(`${given}: pathspec magic not supported by this command: 'attr'`)
      if (!['top', 'literal', 'glob', 'icase', 'exclude'].includes(word)) throw bad(`Invalid pathspec magic '${word}' in '${given}'`)
      magic.add(word)
    }
    return { magic, rest: given.slice(end + 1) }
  }
  let at = 1
  for (; at < given.length && given[at] !== ':'; at++) {
    const char = given[at] as string
    const word = shortMagic[char]
    if (word === undefined) {
      if (/[!-,./;-@[-^`{-~]/.test(char) && !'*.?[\\'.includes(char)) throw bad(`Unimplemented pathspec magic '${char}' in '${given}'`)
      break
    }
    magic.add(word)
  }
  return { magic, rest: given.slice(given[at] === ':' ? at + 1 : at) }
}

/** Without `.` and doubled slashes, `..` taken; a slash at the end stays. */
function normalise(path: string, given: string): string {
  const out: string[] = []
  if (path.startsWith('/')) throw bad(`${given}: '${path}' is outside repository`)
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue
    if (part !== '..') out.push(part)
    else if (out.pop() === undefined) throw bad(`${given}: '${path}' is outside repository`)
  }
  return out.join('/') + (out.length > 0 && path.endsWith('/') ? '/' : '')
}

function bad(message: string): InputError {
  return new InputError('bad-pathspec', message)
}
