// WWW-Authenticate, as RFC 9110 §11.6.1 writes it: challenges, each a scheme with parameters, separated by commas. Strict: whoever names where
// credentials go is read exactly or not at all. Pure.

export interface Challenge {
  /** In small letters. */
  readonly scheme: string
  /** Names in small letters. */
  readonly parameters: ReadonlyMap<string, string>
}

const longestHeader = 8192
const token = /[!#$%&'*+.^_`|~0-9A-Za-z-]+/y
const token68 = /[A-Za-z0-9._~+/-]+=*(?=[ \t]*(?:,|$))/y
const quoted = /"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*"/y
const equals = /[ \t]*=[ \t]*/y
const spaces = /[ \t]+/y

/** All challenges of the header, in order; null when any part of it is malformed or a parameter comes twice. */
export function parseChallenges(header: string): readonly Challenge[] | null {
  if (header.length > longestHeader) return null
  const text = new Reader(header)
  const found: { readonly scheme: string; readonly parameters: Map<string, string> }[] = []
  let before: 'comma' | 'scheme' | 'element' = 'comma'
  while ((text.skip(), !text.isAtEnd)) {
    if (text.take(',')) {
      before = 'comma' // empty elements are allowed
      continue
    }
    const word = text.match(token)
    if (word === null || before === 'element') return null
    if (text.match(equals) === null) {
      if (before === 'scheme') return null
      found.push({ scheme: word.toLowerCase(), parameters: new Map() })
      before = text.match(spaces) !== null && text.match(token68) !== null ? 'element' : 'scheme'
      continue
    }
    const parameters = found.at(-1)?.parameters
    const value = text.match(quoted)?.slice(1, -1).replaceAll(/\\(.)/g, '$1') ?? text.match(token)
    if (parameters === undefined || value === null || parameters.has(word.toLowerCase())) return null
    parameters.set(word.toLowerCase(), value)
    before = 'element'
  }
  return found.length === 0 ? null : found
}

class Reader {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  get isAtEnd(): boolean {
    return this.#at === this.#text.length
  }

  skip(): void {
    this.match(spaces)
  }

  take(character: string): boolean {
    if (this.#text[this.#at] !== character) return false
    this.#at++
    return true
  }

  match(pattern: RegExp): string | null {
    pattern.lastIndex = this.#at
    const found = pattern.exec(this.#text)
    if (found === null) return null
    this.#at = pattern.lastIndex
    return found[0]
  }
}
