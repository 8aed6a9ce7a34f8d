// What is searched for, as npm's clients write it (npm/registry, docs/REGISTRY-API.md, GET /-/v1/search), and the words by which a package is found.

export interface SearchWanted {
  /** Each must begin a word of the package's name, keywords or description; in small letters. */
  readonly words: readonly string[]
  /** In small letters, without the qualifier: each must be there. */
  readonly keywords: readonly string[]
  readonly authors: readonly string[]
  readonly maintainers: readonly string[]
  /** Without `@`: one of them; empty: any, or none. */
  readonly scopes: readonly string[]
  /** What was written beside the qualifiers: a package that is called so comes first. */
  readonly text: string
}

const longestText = 1000
const mostWords = 20
const longestWord = 100

/** Qualifiers that aren't known are passed over: `not:unstable`, `boost-exact:false`. */
export function parseSearch(text: string): SearchWanted {
  const plain: string[] = []
  const qualified = new Map<string, string[]>()
  for (const part of text.slice(0, longestText).toLowerCase().split(/\s+/)) {
    const match = /^([a-z-]+):(.+)$/.exec(part)
    if (match === null) plain.push(part)
    else qualified.set(match[1] as string, [...(qualified.get(match[1] as string) ?? []), match[2] as string])
  }
  const of = (name: string) => (qualified.get(name) ?? []).flatMap((value) => value.split(/[,+]/)).filter((value) => value !== '')
  return {
    words: [...new Set(plain.flatMap(wordsOf))].slice(0, mostWords),
    keywords: of('keywords'),
    authors: of('author'),
    maintainers: of('maintainer'),
    scopes: of('scope').map((scope) => scope.replace(/^@/, '')),
    text: plain.join(' ').trim(),
  }
}

/** For `to_tsquery('simple', …)`; null: no words. Words hold letters and digits alone. */
export function tsQueryOf(words: readonly string[]): string | null {
  return words.length === 0 ? null : words.map((word) => `'${word}':*`).join(' & ')
}

/** Letters and digits that stand together, in small letters; what is longer than any word is cut. */
export function wordsOf(text: string): string[] {
  return text
    .toLowerCase()
    .split(/[^\p{L}\p{N}]+/u)
    .filter((word) => word !== '')
    .map((word) => word.slice(0, longestWord))
}

/** `foo-bar`: `foo`, `bar`, and `foobar`, as people write it who don't know it well. */
export function nameWordsOf(name: string): string[] {
  return [...new Set([...wordsOf(name), ...name.split('/').map((part) => wordsOf(part).join('').slice(0, longestWord))])]
}

/** What is shown of a package that is found: the `package` of npm's answer, but for what depends on who asks. */
export interface SearchSummary {
  readonly name: string
  readonly scope: string
  readonly version: string
  readonly description?: string
  readonly keywords: readonly string[]
  readonly date: string
  readonly links: Readonly<Record<string, string>>
  readonly author?: Readonly<Record<string, string>>
  readonly license?: string
  readonly publisher: { readonly username: string }
  readonly maintainers: readonly { readonly username: string }[]
}

export interface SearchedVersion {
  readonly name: string
  readonly version: string
  readonly publishedAt: Date
  readonly publishedBy: string
  readonly owner: string
  /** JSON, as published. */
  readonly manifest: string
}

const mostKeywords = 100
const longestDescription = 1000

/** Of a manifest's fields whatever somebody wrote into them: what isn't as it should be is left out. */
export function summaryOf({ name, version, publishedAt, publishedBy, owner, manifest }: SearchedVersion): SearchSummary {
  const fields = JSON.parse(manifest) as Readonly<Record<string, unknown>>
  const of = (field: string): unknown => (Object.hasOwn(fields, field) ? fields[field] : undefined)
  const description = textOf(of('description'), longestDescription)
  const author = authorOf(of('author'))
  const license = textOf(of('license'), 100)
  const scope = /^@([^/]+)\//.exec(name)?.[1] ?? 'unscoped'
  return {
    name,
    scope,
    version,
    date: publishedAt.toISOString(),
    links: linksOf(of),
    keywords: keywordsOf(of('keywords')),
    publisher: { username: publishedBy },
    maintainers: [{ username: owner }],
    ...(description === undefined ? {} : { description }),
    ...(author === undefined ? {} : { author }),
    ...(license === undefined ? {} : { license }),
  }
}

function keywordsOf(value: unknown): string[] {
  const list: readonly unknown[] = typeof value === 'string' ? value.split(/[,\s]+/) : Array.isArray(value) ? value : []
  return list.flatMap((word) => textOf(word, longestWord) ?? []).slice(0, mostKeywords)
}

/** `Ann <ann@example.org> (https://example.org)`, or its parts. */
function authorOf(value: unknown): Readonly<Record<string, string>> | undefined {
  const text = textOf(value, 200)
  if (text !== undefined) {
    const [name = '', email] = text.split(/[<>]/)
    const called = name.replace(/\(.*/, '').trim()
    return called === '' ? undefined : { name: called, ...(email === undefined ? {} : { email }) }
  }
  const parts = Object.fromEntries(['name', 'email', 'url'].flatMap((part) => entry(part, textOf(memberOf(value, part), 200))))
  return 'name' in parts ? parts : undefined
}

function linksOf(of: (field: string) => unknown): Record<string, string> {
  const [repository, bugs] = [of('repository'), of('bugs')]
  return Object.fromEntries([
    ...entry('homepage', webUrl(of('homepage'))),
    ...entry('repository', webUrl(typeof repository === 'string' ? repository : memberOf(repository, 'url'))),
    ...entry('bugs', webUrl(typeof bugs === 'string' ? bugs : memberOf(bugs, 'url'))),
  ])
}

/** What a page may link to; `git+https:` and `git:` are how repositories are written. */
function webUrl(value: unknown): string | undefined {
  const text = textOf(value, 500)
    ?.replace(/^git\+(?=https?:)/, '')
    .replace(/^git:\/\//, 'https://')
  return text !== undefined && /^https?:\/\/[^\s"'<>]+$/.test(text) && URL.canParse(text) ? text : undefined
}

function entry(name: string, value: string | undefined): [string, string][] {
  return value === undefined ? [] : [[name, value]]
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined
}

/** Undefined: it is no text, or an empty one. PostgreSQL's text holds no NUL. */
function textOf(value: unknown, most: number): string | undefined {
  return typeof value === 'string' && value !== '' ? value.slice(0, most).replaceAll('\0', '') : undefined
}
