// .gitattributes files: parsed, and asked for a path (gitattributes(5)). Texts and paths have one character for each byte (latin1).
import { compileWildcard, hasWildcard, matchesWildcard } from './wildmatch.ts'

/** True: set. False: unset (`-name`). Null: made unspecified (`!name`). A text: its value. */
export type AttributeValue = boolean | string | null

type States = readonly (readonly [name: string, value: AttributeValue])[]

interface Rule {
  matches(path: string, isFolder: boolean): boolean
  /** 0 where nothing but texts is compared. */
  readonly wildcards: number
  readonly states: States
}

/** One file's rules, and the macros that it defines. */
export interface AttributeFile {
  readonly rules: readonly Rule[]
  readonly macros: ReadonlyMap<string, States>
  /** What asking for a path costs: one for each rule, and the length of each pattern with wildcards for each byte of the path. */
  readonly cost: { readonly rules: number; readonly wildcards: number }
}

/** Lines beyond this are passed over, as git does. */
const lineBytes = 2048
const builtinMacros: ReadonlyMap<string, States> = new Map([
  [
    'binary',
    [
      ['diff', false],
      ['merge', false],
      ['text', false],
    ],
  ],
])
const noMacros: ReadonlyMap<string, States> = new Map()

/**
 * A file's rules. What git would warn of is passed over. Macros count in the topmost folder's file only.
 * @param folder where the file stands: empty, or a path that ends in a slash
 * @param wanted names that will be asked for: rules for others are not kept
 */
export function parseAttributes(text: string, folder: string, wanted: ReadonlySet<string>): AttributeFile {
  const rules: Rule[] = []
  const macros = new Map<string, States>()
  const lines = (text.startsWith('\xef\xbb\xbf') ? text.slice(3) : text).split('\n')
  for (const line of lines) {
    const parsed = line.length < lineBytes ? parseLine(line) : null
    if (parsed === null) continue
    const { pattern, states } = parsed
    if (parsed.isMacro) {
      if (folder === '') macros.set(pattern, states)
    } else if (!pattern.startsWith('!')) {
      rules.push({ matches: ruleMatcher(pattern, folder), states, wildcards: hasWildcard(pattern.replace(/^\*/, '')) ? pattern.length : 0 })
    }
  }
  const names = new Set([...wanted, ...builtinMacros.keys(), ...macros.keys()])
  // a deeper file may use a macro of the topmost one, so only names that are no macro anywhere could be dropped: there, all are kept
  const kept = folder === '' ? rules.filter(({ states }) => states.some(([name]) => names.has(name))) : rules
  const wildcards = kept.reduce((sum, rule) => sum + rule.wildcards, 0)
  return { rules: kept, macros: macros.size > 0 ? macros : noMacros, cost: { rules: kept.length, wildcards } }
}

/**
 * The attributes of a path, by the files from the topmost folder down to the one that it stands in.
 * @param path of a folder or submodule: without a slash at its end
 */
export function attributesOf(files: readonly AttributeFile[], path: string, isFolder: boolean): ReadonlyMap<string, AttributeValue> {
  const found = new Map<string, AttributeValue>()
  const macros = files[0]?.macros ?? noMacros
  const set = (states: States) => {
    for (let i = states.length - 1; i >= 0; i--) {
      const [name, value] = states[i] as States[number]
      if (found.has(name)) continue
      found.set(name, value)
      const macro = value === true ? (macros.get(name) ?? builtinMacros.get(name)) : undefined
      if (macro) set(macro)
    }
  }
  for (let i = files.length - 1; i >= 0; i--) {
    const { rules } = files[i] as AttributeFile
    for (let k = rules.length - 1; k >= 0; k--) {
      const rule = rules[k] as Rule
      if (rule.matches(path, isFolder)) set(rule.states)
    }
  }
  return found
}

function parseLine(line: string): { pattern: string; states: States; isMacro: boolean } | null {
  const from = line.search(/[^ \t\r]/)
  if (from < 0 || line[from] === '#') return null
  const quoted = line[from] === '"' ? unquote(line, from) : null
  let pattern: string
  let rest: string
  if (quoted) {
    pattern = quoted.text
    rest = line.slice(quoted.end)
  } else {
    const length = line.slice(from).search(/[ \t\r]|$/)
    pattern = line.slice(from, from + length)
    rest = line.slice(from + length)
  }
  let isMacro = false
  if (pattern.startsWith('[attr]')) {
    const name = pattern.length > 6 ? pattern.slice(6) : (/^[ \t\r]+([^ \t\r]+)/.exec(rest)?.[1] ?? '')
    if (pattern.length === 6) rest = rest.slice(rest.indexOf(name) + name.length)
    if (!isName(name)) return null
    pattern = name
    isMacro = true
  }
  const states: [string, AttributeValue][] = []
  for (const word of rest.split(/[ \t\r]+/)) {
    if (word === '') continue
    const state = parseState(word)
    if (state === null) return null
    states.push(state)
  }
  return { pattern, states, isMacro }
}

function parseState(word: string): [string, AttributeValue] | null {
  const equals = word.indexOf('=')
  const head = equals < 0 ? word : word.slice(0, equals)
  const sign = /^[-!]/.test(head) ? head[0] : ''
  const name = sign === '' ? head : head.slice(1)
  if (!isName(name)) return null
  if (sign === '-') return [name, false]
  if (sign === '!') return [name, null]
  return [name, equals < 0 ? true : word.slice(equals + 1)]
}

function isName(name: string): boolean {
  return /^[A-Za-z0-9_.][A-Za-z0-9_.-]*$/.test(name)
}

const escapes: Readonly<Record<string, string>> = { a: '\x07', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v', '\\': '\\', '"': '"' }

/** A text in double quotes, as C has it; null when it has no end. */
function unquote(line: string, from: number): { text: string; end: number } | null {
  let text = ''
  for (let at = from + 1; at < line.length; ) {
    const char = line[at] as string
    if (char === '"') return { text, end: at + 1 }
    if (char !== '\\') {
      text += char
      at++
      continue
    }
    const octal = /^[0-3][0-7]{2}/.exec(line.slice(at + 1, at + 4))?.[0]
    const plain = escapes[line[at + 1] ?? '']
    if (octal === undefined && plain === undefined) return null
    text += octal === undefined ? plain : String.fromCharCode(Number.parseInt(octal, 8))
    at += octal === undefined ? 2 : 4
  }
  return null
}

/** A pattern without a slash (but at its end) is for names in any folder below; any other for paths from the file's folder on. */
function ruleMatcher(given: string, folder: string): (path: string, isFolder: boolean) => boolean {
  const needsFolder = given.endsWith('/')
  const pattern = needsFolder ? given.slice(0, -1) : given
  if (!pattern.includes('/')) {
    const test = textMatcher(pattern, false)
    return (path, isFolder) => (isFolder || !needsFolder) && test(path.slice(path.lastIndexOf('/') + 1))
  }
  const test = textMatcher(pattern.startsWith('/') ? pattern.slice(1) : pattern, true)
  return (path, isFolder) => (isFolder || !needsFolder) && path.startsWith(folder) && test(path.slice(folder.length))
}

function textMatcher(pattern: string, pathname: boolean): (text: string) => boolean {
  if (!hasWildcard(pattern)) return (text) => text === pattern
  const suffix = pattern.slice(1)
  if (!pathname && pattern.startsWith('*') && !hasWildcard(suffix)) return (text) => text.endsWith(suffix)
  const compiled = compileWildcard(pattern, pathname)
  return (text) => matchesWildcard(compiled, text)
}
