// Git's wildcards (gitignore(5); the rules of its wildmatch with and without WM_PATHNAME): `*` `?` `[…]` `**`, on bytes as Latin-1 text.
// All ways to match are followed at once, so no pattern takes more than its length times the text's. Pure.

/** `folders`: nothing, or `inFolders`, which are any bytes up to a slash. */
const Token = { byte: 0, any: 1, class: 2, star: 3, deep: 4, folders: 5, inFolders: 6, never: 7 } as const

interface Step {
  readonly token: (typeof Token)[keyof typeof Token]
  /** The byte, for `byte`. */
  readonly byte: number
  /** Which of the 256 bytes match, for `class`. */
  readonly members: Uint8Array | null
}

export interface Wildcard {
  readonly steps: readonly Step[]
  /** `*`, `?` and classes don't match a slash. */
  readonly paths: boolean
}

const slash = 47

/** @param paths as WM_PATHNAME: a name in a folder is more than a longer name, and `**` between slashes stands for any folders */
export function compileWildcard(pattern: string, paths: boolean): Wildcard {
  const steps: Step[] = []
  const add = (token: Step['token'], byte = 0, members: Uint8Array | null = null) => steps.push({ token, byte, members })
  let at = 0
  while (at < pattern.length) {
    const char = pattern[at] as string
    if (char === '\\') {
      // a backslash at the end matches nothing
      if (at + 1 === pattern.length) add(Token.never)
      else add(Token.byte, pattern.charCodeAt(at + 1))
      at += 2
    } else if (char === '?') {
      add(Token.any)
      at++
    } else if (char === '[') {
      const { members, end } = compileClass(pattern, at + 1)
      if (members) add(Token.class, 0, members)
      else add(Token.never)
      at = end
    } else if (char === '*') {
      let end = at
      while (pattern[end] === '*') end++
      at = addStars(pattern, at, end, paths, add)
    } else {
      add(Token.byte, pattern.charCodeAt(at))
      at++
    }
  }
  return { steps, paths }
}

function addStars(pattern: string, at: number, end: number, paths: boolean, add: (token: Step['token']) => void): number {
  const begins = at === 0 || pattern[at - 1] === '/'
  const ends = end === pattern.length || pattern[end] === '/' || pattern.startsWith('\\/', end)
  if (!paths) add(Token.deep)
  else if (end - at < 2 || !begins || !ends) add(Token.star)
  else if (pattern[end] === '/') {
    add(Token.folders)
    add(Token.inFolders) // with the slash behind it
    return end + 1
  } else add(Token.deep)
  return end
}

/** The class whose inside begins at `from`; `members` null when it isn't closed, and then nothing matches. */
function compileClass(pattern: string, from: number): { members: Uint8Array | null; end: number } {
  const members = new Uint8Array(256)
  let at = from
  const negated = pattern[at] === '!' || pattern[at] === '^'
  if (negated) at++
  let previous = -1
  for (let first = true; ; first = false) {
    if (at >= pattern.length) return { members: null, end: pattern.length }
    const char = pattern[at] as string
    if (char === ']' && !first) break
    const name = /^\[:([^\]]*):\]/.exec(pattern.slice(at, at + 40))
    if (name) {
      const test = posix[name[1] as string]
      if (!test) return { members: null, end: pattern.length }
      for (let byte = 0; byte < 256; byte++) if (test(byte)) members[byte] = 1
      at += name[0].length
      previous = -1
      continue
    }
    if (char === '-' && previous >= 0 && at + 1 < pattern.length && pattern[at + 1] !== ']') {
      at++
      if (pattern[at] === '\\' && at + 1 < pattern.length) at++
      for (let byte = previous; byte <= pattern.charCodeAt(at); byte++) members[byte & 255] = 1
      previous = -1
      at++
      continue
    }
    if (char === '\\' && at + 1 < pattern.length) at++
    previous = pattern.charCodeAt(at) & 255
    members[previous] = 1
    at++
  }
  if (negated) for (let byte = 0; byte < 256; byte++) members[byte] = members[byte] ? 0 : 1
  return { members, end: at + 1 }
}

const between = (low: string, high: string) => (byte: number) => byte >= low.charCodeAt(0) && byte <= high.charCodeAt(0)
const [upper, lower, digit] = [between('A', 'Z'), between('a', 'z'), between('0', '9')]
const alpha = (byte: number) => upper(byte) || lower(byte)
const alnum = (byte: number) => alpha(byte) || digit(byte)
const graph = between('!', '~')
const posix: Readonly<Record<string, (byte: number) => boolean>> = {
  upper,
  lower,
  digit,
  alpha,
  alnum,
  graph,
  blank: (byte) => byte === 32 || byte === 9,
  cntrl: (byte) => byte < 32 || byte === 127,
  print: between(' ', '~'),
  punct: (byte) => graph(byte) && !alnum(byte),
  space: (byte) => byte === 32 || (byte >= 9 && byte <= 13),
  xdigit: (byte) => digit(byte) || between('a', 'f')(byte) || between('A', 'F')(byte),
}

/** True for a text that holds a character with a meaning of its own in patterns. */
export function hasWildcard(text: string): boolean {
  return /[*?[\\]/.test(text)
}

/** True when the whole text matches. */
export function matchesWildcard({ steps, paths }: Wildcard, text: string): boolean {
  let now = new Uint8Array(steps.length + 1) // places in the pattern that the text so far leads to
  let next = new Uint8Array(steps.length + 1)
  now[0] = 1
  skip(steps, now)
  for (let at = 0; at < text.length; at++) {
    const byte = text.charCodeAt(at)
    next.fill(0)
    let alive = false
    for (let place = 0; place < steps.length; place++) {
      if (!now[place]) continue
      const { token, byte: wanted, members } = steps[place] as Step
      const inName = !paths || byte !== slash
      let to = -1
      if (token === Token.byte) to = byte === wanted ? place + 1 : -1
      else if (token === Token.any) to = inName ? place + 1 : -1
      else if (token === Token.class) to = inName && members?.[byte & 255] === 1 ? place + 1 : -1
      else if (token === Token.star) to = inName ? place : -1
      else if (token === Token.deep || token === Token.inFolders) to = place
      else if (token === Token.folders) to = place + 1
      if (to >= 0) next[to] = 1
      if (byte === slash && token === Token.inFolders) next[place + 1] = 1
      if (byte === slash && token === Token.folders) next[place + 2] = 1
      alive ||= to >= 0
    }
    if (!alive) return false
    skip(steps, next)
    ;[now, next] = [next, now]
  }
  return now[steps.length] === 1
}

/** What may match nothing is passed. */
function skip(steps: readonly Step[], places: Uint8Array): void {
  for (let place = 0; place < steps.length; place++) {
    if (!places[place]) continue
    const { token } = steps[place] as Step
    if (token === Token.star || token === Token.deep) places[place + 1] = 1
    else if (token === Token.folders) places[place + 2] = 1
  }
}
