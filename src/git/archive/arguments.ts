// The arguments of `git archive --remote` (git-archive(1)), as git's own option parser reads them, and its words for what it doesn't take.
// One character for each byte (latin1).
import { InputError } from '../../base/index.ts'
import { type ArchiveFormat } from './task.ts'

export interface ArchiveArguments {
  readonly type: 'archive'
  readonly format: ArchiveFormat
  readonly prefix: string
  readonly level: number
  readonly isVerbose: boolean
  readonly usesAttributes: boolean
  /** Seconds since 1970; null: the commit's. */
  readonly time: number | null
  readonly treeish: string
  readonly pathspecs: readonly string[]
}

/** `--list`: the names of the formats. */
export interface ListArguments {
  readonly type: 'list'
}

/** By git's names, in its order. */
export const remoteFormats: Readonly<Record<string, ArchiveFormat>> = { tar: 'tar', tgz: 'tar.gz', 'tar.gz': 'tar.gz', zip: 'zip' }

const usage = 'usage: git archive [<options>] <tree-ish> [<path>...]'
const longOptions: Readonly<Record<string, 'text' | 'flag'>> = {
  format: 'text',
  prefix: 'text',
  'add-file': 'text',
  'add-virtual-file': 'text',
  output: 'text',
  'worktree-attributes': 'flag',
  verbose: 'flag',
  mtime: 'text',
  list: 'flag',
  remote: 'text',
  exec: 'text',
}
const shortOptions: Readonly<Record<string, string>> = { o: 'output', v: 'verbose', l: 'list' }

/** InputError `archive-arguments`: its message is what git would print, `fatal: ` and all. */
export function parseArchiveArguments(given: readonly string[]): ArchiveArguments | ListArguments {
  const { options, words, level } = new OptionParser(given).parse()
  const text = (name: string) => options.get(name) ?? null
  const isOn = (name: string) => options.get(name) === 'true'
  if (text('remote') !== null) throw fatal('Unexpected option --remote')
  if (text('exec') !== null) throw fatal("the option '--exec' requires '--remote'")
  if (text('output') !== null) throw fatal('Unexpected option --output')
  // never looked at: a remote's file is nobody's to ask for
  if (options.has('add-file') || options.has('add-virtual-file')) {
    throw fatal("options '--add-file' and '--remote' cannot be used together")
  }
  if (isOn('list')) {
    if (words.length > 0) throw fatal(`extra command line parameter '${words[0]}'`)
    return { type: 'list' }
  }
  const [treeish, ...pathspecs] = words
  if (treeish === undefined) throw fault(usage)
  const name = text('format') ?? 'tar'
  const format = Object.hasOwn(remoteFormats, name) ? remoteFormats[name] : undefined
  if (format === undefined) throw fatal(`Unknown archive format '${name}'`)
  if (level !== null && (format === 'tar' || (format === 'zip' && level > 9))) {
    throw fatal(`Argument not supported for format '${name}': -${level}`)
  }
  return {
    type: 'archive',
    format,
    prefix: text('prefix') ?? '',
    level: level === null ? -1 : Math.min(level, 9),
    isVerbose: isOn('verbose'),
    // a hosted repository has no work tree to read them from
    usesAttributes: !isOn('worktree-attributes'),
    time: parseTime(text('mtime')),
    treeish,
    pathspecs,
  }
}

class OptionParser {
  readonly #given: readonly string[]
  readonly #options = new Map<string, string>()
  #level: number | null = null
  #at = 0

  constructor(given: readonly string[]) {
    this.#given = given
  }

  parse(): { options: ReadonlyMap<string, string>; words: readonly string[]; level: number | null } {
    const words: string[] = []
    while (this.#at < this.#given.length) {
      const word = this.#given[this.#at++] as string
      if (word === '--' || word === '--end-of-options') {
        words.push(...this.#given.slice(this.#at))
        break
      }
      if (word.startsWith('--')) this.#long(word.slice(2))
      else if (word.startsWith('-') && word.length > 1) this.#short(word.slice(1))
      else words.push(word)
    }
    return { options: this.#options, words, level: this.#level }
  }

  #long(word: string): void {
    const equals = word.indexOf('=')
    const given = equals < 0 ? word : word.slice(0, equals)
    const isOff = given.startsWith('no-') && !Object.hasOwn(longOptions, given)
    const name = longName(isOff ? given.slice(3) : given)
    if (name === null) throw fault(`error: unknown option \`${given}'\n${usage}`)
    if (isOff) {
      if (equals >= 0) throw fault(`error: option \`no-${name}' takes no value`)
      this.#options.delete(name)
    } else if (longOptions[name] === 'flag') {
      if (equals >= 0) throw fault(`error: option \`${name}' takes no value`)
      this.#options.set(name, 'true')
    } else {
      this.#options.set(name, equals < 0 ? this.#value(`option \`${name}'`) : word.slice(equals + 1))
    }
  }

  #short(letters: string): void {
    if (/^\d+$/.test(letters)) {
      this.#level = Number(letters.slice(0, 9))
      return
    }
    for (let i = 0; i < letters.length; i++) {
      const letter = letters[i] as string
      const name = shortOptions[letter]
      if (/\d/.test(letter)) this.#level = Number(letter)
      else if (name === undefined) throw fault(`error: unknown switch \`${letter}'\n${usage}`)
      else if (longOptions[name] === 'flag') this.#options.set(name, 'true')
      else {
        this.#options.set(name, letters.slice(i + 1) || this.#value(`switch \`${letter}'`))
        return
      }
    }
  }

  #value(what: string): string {
    const value = this.#given[this.#at++]
    if (value === undefined) throw fault(`error: ${what} requires a value`)
    return value
  }
}

/** The option that this is the name of, or the only one that it is the beginning of. */
function longName(given: string): string | null {
  if (Object.hasOwn(longOptions, given)) return given
  const found = Object.keys(longOptions).filter((name) => given !== '' && name.startsWith(given))
  if (found.length > 1) throw fault(`error: ambiguous option: ${given} (could be --${found[0]} or --${found[1]})\n${usage}`)
  return found[0] ?? null
}

/** `@1700000000`, `1700000000 +0100`, ISO 8601 or an RFC 2822 date; git's freer forms ("yesterday") are refused instead of guessed. */
function parseTime(text: string | null): number | null {
  if (text === null) return null
  const seconds = /^@?(\d{5,12})(?:\s+[-+]\d{4})?$/.exec(text.trim())?.[1]
  if (seconds !== undefined) return Number(seconds)
  const zoned = /[zZ]$|[-+]\d{2}:?\d{2}$|GMT|UTC/.test(text.trim()) ? text : `${text} UTC`
  const time = Math.floor(Date.parse(zoned.trim()) / 1000)
  if (!Number.isSafeInteger(time) || time < 0) throw fatal(`invalid date format: ${text}`)
  return time
}

function fatal(message: string): InputError {
  return fault(`fatal: ${message}`)
}

function fault(message: string): InputError {
  return new InputError('archive-arguments', message)
}
