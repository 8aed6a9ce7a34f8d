// Git's configuration as values by key, and how git reads them (git-config(1), "Values"). Keys are `section.name` in small letters,
// or `section.Subsection.name` with the subsection as it was written; each has all its values, in order.
import { InputError } from '../../base/index.ts'

export type GitConfig = Readonly<Record<string, readonly string[]>>

export interface Subsection {
  readonly name: string
  /** Its values, by the last part of the key. */
  readonly values: GitConfig
}

/** `Transfer.hideRefs` → `transfer.hiderefs`. InputError `git-setting` when it is no key. */
export function normalKey(key: string): string {
  const first = key.indexOf('.')
  const last = key.lastIndexOf('.')
  const section = key.slice(0, Math.max(first, 0)).toLowerCase()
  const name = key.slice(last + 1).toLowerCase()
  if (!/^[a-z0-9-]+$/.test(section) || !/^[a-z][a-z0-9-]*$/.test(name)) throw new InputError('git-setting', `invalid key: ${key}`)
  return first === last ? `${section}.${name}` : `${section}.${key.slice(first + 1, last)}.${name}`
}

/** The last value: where a key is set twice, the later one counts. */
export function lastValue(config: GitConfig, key: string): string | undefined {
  return config[key]?.at(-1)
}

/** git_config_bool: true, yes, on, 1 …; an empty value is false. InputError `git-setting` for anything else. */
export function readFlag(config: GitConfig, key: string, unset: boolean): boolean {
  const value = lastValue(config, key)
  if (value === undefined) return unset
  return parseFlag(value) ?? fault(key, value, 'boolean')
}

/** Null when it is none. */
export function parseFlag(text: string): boolean | null {
  const word = text.toLowerCase()
  if (['true', 'yes', 'on'].includes(word)) return true
  if (['false', 'no', 'off', ''].includes(word)) return false
  const number = parseNumber(word)
  return number === null ? null : number !== 0
}

/** git_config_int: with k, m, g behind it perhaps. InputError `git-setting`. */
export function readNumber<T extends number | null>(config: GitConfig, key: string, unset: T): number | T {
  const value = lastValue(config, key)
  if (value === undefined) return unset
  return parseNumber(value) ?? fault(key, value, 'numeric')
}

/** `10`, `-1`, `2k`, `1m`, `3g` in units of 1024; null when it is none, or beyond 2⁵³. */
export function parseNumber(text: string): number | null {
  const match = /^([+-]?\d{1,16})([kmg]?)$/i.exec(text.trim())
  if (!match) return null
  const unit = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 }[(match[2] ?? '').toLowerCase()] as number
  const value = Number(match[1]) * unit
  return Number.isSafeInteger(value) ? value : null
}

/** One of some words, in any case; flags among them as `true` and `false`. InputError `git-setting`. */
export function readWord<T extends string>(config: GitConfig, key: string, words: readonly T[], unset: T): T {
  const value = lastValue(config, key)
  if (value === undefined) return unset
  const word = value.toLowerCase()
  const known = words.find((candidate) => candidate === word)
  const flag = parseFlag(value)
  const asFlag = flag === null ? undefined : words.find((candidate) => candidate === String(flag))
  return known ?? asFlag ?? fault(key, value, words.join('|'))
}

/** The subsections of a section, in the order of their first key. */
export function subsections(config: GitConfig, section: string): Subsection[] {
  const found = new Map<string, Record<string, readonly string[]>>()
  for (const [key, values] of Object.entries(config)) {
    const last = key.lastIndexOf('.')
    if (!key.startsWith(`${section}.`) || last <= section.length) continue
    const name = key.slice(section.length + 1, last)
    const own = found.get(name) ?? {}
    own[key.slice(last + 1)] = values
    found.set(name, own)
  }
  return [...found].map(([name, values]) => ({ name, values }))
}

function fault(key: string, value: string, kind: string): never {
  throw new InputError('git-setting', `bad ${kind} config value '${value}' for '${key}'`)
}
