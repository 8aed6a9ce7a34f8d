// Placeholders of a commit, as `git log --format` has them and `export-subst` uses them (git-log(1), "PRETTY FORMATS"; gitattributes(5)).
// Texts have one character for each byte (latin1), in the commit's own encoding. What isn't known here stays as it is written:
// %w, %<, %>, %G, %g, %N, %S, %ar, %ah, %(trailers).
import { InputError, withoutEnd } from '../../base/index.ts'
import { type DateStyle, formatDate } from './date-format.ts'

export interface CommitFacts {
  /** In hex. */
  readonly oid: string
  readonly tree: string
  readonly parents: readonly string[]
  /** The commit object. */
  readonly text: string
  /** The shortest form of an id that is its own. */
  abbreviate(oid: string): string
  /** Refs that point to it, as `%D` lists them. */
  readonly decorations: readonly Decoration[]
  /** What `git describe` says of it; null for nothing. */
  describe(options: string): string | null
}

export interface Decoration {
  /** As it is shown: `main`, `v1.0`, `refs/notes/commits`; `HEAD` with what it stands for. */
  readonly name: string
  readonly isTag: boolean
  readonly pointsTo?: string
}

/** Output that commits may be made into: a template is small, and may repeat itself. */
const mostBytes = 64 << 20
/** A longer one is none: each `%` may begin one that has no end. */
const longestPlaceholder = 1024

/** `$Format:…$` in a file, replaced. InputError `too-large` when that makes it too large. */
export function substituteFormats(text: string, facts: CommitFacts): string {
  const out = new Output()
  const commit = new CommitFormat(facts)
  let at = 0
  for (;;) {
    const from = text.indexOf('$Format:', at)
    const end = from < 0 ? -1 : text.indexOf('$', from + 8)
    if (end < 0) break
    out.add(text.slice(at, from))
    const template = text.slice(from + 8, end)
    const nul = template.indexOf('\0')
    commit.expand(nul < 0 ? template : template.slice(0, nul), out)
    at = end + 1
  }
  out.add(text.slice(at))
  return out.text()
}

class Output {
  readonly #parts: string[] = []
  #length = 0

  add(text: string): void {
    if (text === '') return
    this.#parts.push(text)
    this.#length += text.length
    if (this.#length > mostBytes) throw new InputError('too-large', 'a file becomes too large by its export-subst')
  }

  dropLineEnds(): void {
    for (let last = this.#parts.pop(); last !== undefined; last = this.#parts.pop()) {
      const kept = withoutEnd(last, '\n')
      this.#length -= last.length - kept.length
      if (kept === '') continue
      this.#parts.push(kept)
      return
    }
  }

  text(): string {
    return this.#parts.join('')
  }
}

/** What a placeholder stands for, and how many characters of the template it takes. */
interface Expansion {
  readonly text: string
  readonly length: number
}

class CommitFormat {
  readonly #facts: CommitFacts
  readonly #headers: ReadonlyMap<string, string>
  readonly #body: string
  readonly #message: { readonly subject: string; readonly firstLine: string; readonly rest: string }
  /** By their letters: a template may repeat what is long, and comes to nothing. */
  readonly #made = new Map<string, string | null>()
  #describes = 1

  constructor(facts: CommitFacts) {
    this.#facts = facts
    const end = facts.text.indexOf('\n\n')
    const head = end < 0 ? facts.text : facts.text.slice(0, end)
    this.#body = end < 0 ? '' : facts.text.slice(end + 2)
    // the last line of a name counts, as git has it
    this.#headers = new Map(head.split('\n').map((line) => [line.slice(0, line.indexOf(' ')), line.slice(line.indexOf(' ') + 1)]))
    this.#message = splitMessage(this.#body)
  }

  expand(template: string, out: Output): void {
    let at = 0
    for (;;) {
      const percent = template.indexOf('%', at)
      if (percent < 0) break
      out.add(template.slice(at, percent))
      at = percent + 1
      const magic = /[-+ ]/.test(template[at] ?? '') ? template[at] : undefined
      const start = magic ? at + 1 : at
      const rest = template.slice(start, start + longestPlaceholder)
      // git takes a magic character away with what it doesn't know behind it
      const unknown = magic && !rest.startsWith('w') ? { text: '', length: 0 } : null
      const found = template[at] === '%' ? { text: '%', length: 1 } : (this.#placeholder(rest) ?? unknown)
      if (found === null) {
        out.add('%')
        continue
      }
      if (magic === '-' && found.text === '') out.dropLineEnds()
      if (magic !== undefined && magic !== '-' && found.text !== '') out.add(magic === '+' ? '\n' : ' ')
      out.add(found.text)
      at += found.length + (magic ? 1 : 0)
    }
    out.add(template.slice(at))
  }

  #placeholder(rest: string): Expansion | null {
    const two = rest.slice(0, 2)
    if (/^x[0-9A-Fa-f]{2}/.test(rest)) return { text: String.fromCharCode(Number.parseInt(rest.slice(1, 3), 16)), length: 3 }
    if (rest.startsWith('(describe')) return this.#describe(rest)
    if (rest.startsWith('(decorate')) return this.#decorate(rest)
    if (rest.startsWith('C')) return color(rest)
    const name = /^[ac]/.test(rest) ? two : (rest[0] ?? '')
    let text = this.#made.get(name)
    if (text === undefined) {
      text = name.length > 1 ? this.#person(name) : this.#letter(name)
      this.#made.set(name, text)
    }
    return text === null ? null : { text, length: name.length }
  }

  #person(name: string): string | null {
    return personPart(this.#headers.get(name.startsWith('a') ? 'author' : 'committer') ?? '', name[1] ?? '')
  }

  #letter(letter: string): string | null {
    const { abbreviate, oid, parents, tree } = this.#facts
    switch (letter) {
      case 'n':
        return '\n'
      case 'H':
        return oid
      case 'h':
        return abbreviate(oid)
      case 'T':
        return tree
      case 't':
        return abbreviate(tree)
      case 'P':
        return parents.join(' ')
      case 'p':
        return parents.map(abbreviate).join(' ')
      case 'm':
        return '>'
      case 'd':
        return this.#decorations({ prefix: ' (', suffix: ')' })
      case 'D':
        return this.#decorations({ prefix: '', suffix: '' })
      case 'e':
        return this.#headers.get('encoding') ?? ''
      case 'B':
        return this.#body
      case 's':
        return this.#message.subject
      case 'f':
        return fileName(this.#message.firstLine)
      case 'b':
        return this.#message.rest
      default:
        return null
    }
  }

  #decorations(options: Readonly<Record<string, string>>): string {
    const { decorations } = this.#facts
    if (decorations.length === 0) return ''
    const { prefix = ' (', suffix = ')', separator = ', ', pointer = ' -> ', tag = 'tag: ' } = options
    const names = decorations.map((one) => (one.isTag ? tag : '') + one.name + (one.pointsTo === undefined ? '' : pointer + one.pointsTo))
    return prefix + names.join(separator) + suffix
  }

  #decorate(rest: string): Expansion | null {
    const parsed = /^\(decorate(?::((?:(?:prefix|suffix|separator|pointer|tag)=[^,)]*(?:,|(?=\))))*))?\)/.exec(rest)
    if (!parsed) return null
    const options: Record<string, string> = {}
    for (const option of (parsed[1] ?? '').split(',')) {
      const equals = option.indexOf('=')
      if (equals > 0) options[option.slice(0, equals)] = literals(option.slice(equals + 1))
    }
    return { text: this.#decorations(options), length: parsed[0].length }
  }

  /** Once in an archive: it may be dear, and git is as strict. */
  #describe(rest: string): Expansion | null {
    const parsed = /^\(describe(?::([^)]*))?\)/.exec(rest)
    if (!parsed || this.#describes-- <= 0) return null
    const text = this.#facts.describe(parsed[1] ?? '')
    return text === null ? null : { text, length: parsed[0].length }
  }
}

/** Nothing here is a terminal: colours are taken out, but for those that are always wanted. */
function color(rest: string): Expansion | null {
  const found = /^C(?:red|green|blue|reset|\((?!always,)[^)]*\))/.exec(rest)
  return found ? { text: '', length: found[0].length } : null
}

function literals(text: string): string {
  return text.replaceAll(/%(%|n|x[0-9A-Fa-f]{2})/g, (_, code: string) =>
    code === 'n' ? '\n' : code === '%' ? '%' : String.fromCharCode(Number.parseInt(code.slice(1), 16)),
  )
}

const dateStyles: Readonly<Record<string, DateStyle>> = { d: 'normal', D: 'rfc', i: 'iso', I: 'iso-strict', s: 'short' }

/** Null for a letter that is no part of a person. */
function personPart(line: string, part: string): string | null {
  const open = line.indexOf('<')
  const close = open < 0 ? -1 : line.indexOf('>', open)
  if (close < 0) return 'netdDi'.includes(part) && part !== '' ? '' : null
  const mail = line.slice(open + 1, close)
  // mailmaps are not looked at: a capital is the same as a small letter
  if (part === 'n' || part === 'N') return withoutEnd(line.slice(0, open), ' \t')
  if (part === 'e' || part === 'E') return mail
  if (part === 'l' || part === 'L') return mail.replace(/@.*$/s, '')
  const [, seconds, zone] = /^[ \t]*([0-9]+)[ \t]*([-+][0-9]+)?/.exec(line.slice(line.lastIndexOf('>') + 1)) ?? []
  if (part === 't') return seconds ?? ''
  const style = dateStyles[part]
  if (style === undefined) return null
  return seconds === undefined ? (part === 's' || part === 'I' ? null : '') : formatDate(Number(seconds), Number(zone ?? 0), style)
}

/** Subject: the lines up to the first blank one, joined. Rest: what follows the blank lines behind it. */
function splitMessage(body: string): { subject: string; firstLine: string; rest: string } {
  const isBlank = (line: string) => /^\s*$/.test(line)
  const lines = body.split(/(?<=\n)/)
  let at = 0
  while (at < lines.length && isBlank(lines[at] as string)) at++
  const firstLine = (lines[at] ?? '').replace(/\n$/, '')
  const subject: string[] = []
  for (; at < lines.length && !isBlank(lines[at] as string); at++) subject.push((lines[at] as string).trimEnd())
  while (at < lines.length && isBlank(lines[at] as string)) at++
  return { subject: subject.join(' '), firstLine, rest: lines.slice(at).join('') }
}

/** `%f`: a subject as a part of a file's name. */
function fileName(subject: string): string {
  const name = subject
    .replaceAll(/\.{2,}/g, '.')
    .replaceAll(/[^A-Za-z0-9._]+/g, '-')
    .replace(/^-+/, '')
  return withoutEnd(name, '.-')
}
