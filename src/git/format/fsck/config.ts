// Reads git's configuration syntax (git-config(1), Syntax), of which `.gitmodules` is written. Text is Latin-1: one character for
// each byte.
// Invariant: reads what git's own reader reads, and stops where that stops: what stands before a bad line still counts.

/** `[section "subsection"]`; one object for all its entries, so that a long name costs nothing for each. */
export interface ConfigSection {
  /** `section.subsection.` or `section.`, as git joins them with keys: the section lowered, the subsection as written. */
  readonly prefix: string
}

/** One `key = value` line: the key lowered; `value` is null without `=`, and cut at a NUL, as git's strings are. */
export interface ConfigEntry {
  readonly section: ConfigSection
  readonly key: string
  readonly value: string | null
}

export interface ParsedConfig {
  readonly entries: readonly ConfigEntry[]
  /** False when a line is not configuration syntax; the entries are those before it. */
  readonly isWhole: boolean
}

const bom = '\xef\xbb\xbf'
const isKeyChar = (char: string) => /^[A-Za-z0-9-]$/.test(char)
const isSpace = (char: string) => char === ' ' || char === '\t' || char === '\n' || char === '\r'

/** Parses a whole configuration file. Never throws. */
export function parseConfig(text: string): ParsedConfig {
  const source = new Source(text.startsWith(bom) ? text.slice(bom.length) : text)
  const entries: ConfigEntry[] = []
  let section: ConfigSection = { prefix: '' }
  for (;;) {
    const char = source.next()
    if (source.isEnded) return { entries, isWhole: true }
    if (isSpace(char)) continue
    if (char === '#' || char === ';') {
      source.skipLine()
    } else if (char === '[') {
      const name = readSection(source)
      if (name === null) return { entries, isWhole: false }
      section = { prefix: name }
    } else {
      const entry = /^[A-Za-z]$/.test(char) ? readEntry(source, section, char) : null
      if (entry === null) return { entries, isWhole: false }
      entries.push(entry)
    }
  }
}

/** Characters in turn; CR LF is LF, and the end is one more LF. */
class Source {
  readonly #text: string
  #at = 0
  isEnded = false

  constructor(text: string) {
    this.#text = text
  }

  next(): string {
    const char = this.#text[this.#at]
    if (char === undefined) {
      this.isEnded = true
      return '\n'
    }
    this.#at++
    if (char !== '\r' || this.#text[this.#at] !== '\n') return char
    this.#at++
    return '\n'
  }

  skipLine(): void {
    while (this.next() !== '\n');
  }
}

/** After `[`: the section's name with a dot at its end, or null. */
function readSection(source: Source): string | null {
  let name = ''
  for (;;) {
    const char = source.next()
    if (source.isEnded) return null
    if (char === ']') return name === '' ? null : `${name}.`
    if (isSpace(char)) {
      const subsection = char === '\n' ? null : readSubsection(source)
      return subsection === null ? null : `${name}.${subsection}.`
    }
    if (!isKeyChar(char) && char !== '.') return null
    name += char.toLowerCase()
  }
}

/** After the space in `[section "subsection"]`: the subsection, or null. A backslash takes the next character as it is. */
function readSubsection(source: Source): string | null {
  let char = source.next()
  while (char !== '\n' && isSpace(char)) char = source.next()
  if (char !== '"') return null
  let subsection = ''
  for (;;) {
    char = source.next()
    if (char === '\n') return null
    if (char === '"') return source.next() === ']' ? subsection : null
    if (char === '\\') {
      char = source.next()
      if (char === '\n') return null
    }
    subsection += char
  }
}

function readEntry(source: Source, section: ConfigSection, first: string): ConfigEntry | null {
  let key = first.toLowerCase()
  let char = source.next()
  for (; !source.isEnded && isKeyChar(char); char = source.next()) key += char.toLowerCase()
  while (char === ' ' || char === '\t') char = source.next()
  if (char === '\n') return { section, key, value: null }
  const value = char === '=' ? readValue(source) : null
  return value === null ? null : { section, key, value: cString(value) }
}

const escapes: Readonly<Record<string, string>> = { t: '\t', b: '\b', n: '\n', '\\': '\\', '"': '"' }

/** After `=`: the value up to the line's end; null for an unknown escape or an open quote. */
function readValue(source: Source): string | null {
  let value = ''
  let trimmedLength = -1
  let isQuoted = false
  for (;;) {
    const char = source.next()
    if (char === '\n') return isQuoted ? null : trimmedLength > 0 ? value.slice(0, trimmedLength) : value
    if (isSpace(char) && !isQuoted) {
      if (trimmedLength <= 0) trimmedLength = value.length
      if (value !== '') value += char
      continue
    }
    if (!isQuoted && (char === ';' || char === '#')) {
      source.skipLine()
      return trimmedLength > 0 ? value.slice(0, trimmedLength) : value
    }
    trimmedLength = 0
    if (char === '"') {
      isQuoted = !isQuoted
    } else if (char === '\\') {
      const escaped = source.next()
      if (escaped === '\n') continue
      const meant = escapes[escaped]
      if (meant === undefined) return null
      value += meant
    } else {
      value += char
    }
  }
}

function cString(text: string): string {
  const nul = text.indexOf('\0')
  return nul === -1 ? text : text.slice(0, nul)
}
