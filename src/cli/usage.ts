// What every command uses of the command line: its flags, how mistakes in it are told, where answers go.
import { readFileSync } from 'node:fs'

export const flags = {
  data: { type: 'string' },
  listen: { type: 'string' },
  config: { type: 'string' },
  account: { type: 'string' },
  name: { type: 'string' },
  'read-only': { type: 'boolean' },
  to: { type: 'string' },
  from: { type: 'string' },
  for: { type: 'string' },
  expires: { type: 'string' },
  owner: { type: 'string' },
  every: { type: 'string' },
  grace: { type: 'string' },
  yes: { type: 'boolean' },
  refs: { type: 'string' },
  pull: { type: 'boolean' },
  push: { type: 'boolean' },
  public: { type: 'boolean' },
  json: { type: 'boolean' },
  rebuild: { type: 'boolean' },
  'dry-run': { type: 'boolean' },
  'no-strict': { type: 'boolean' },
  'no-reuse': { type: 'boolean' },
  window: { type: 'string' },
  depth: { type: 'string' },
  threads: { type: 'string' },
  memory: { type: 'string' },
  'token-file': { type: 'string' },
  'password-file': { type: 'string' },
  email: { type: 'string' },
  user: { type: 'string' },
  auth: { type: 'string' },
  fresh: { type: 'string' },
  'min-age': { type: 'string' },
  format: { type: 'string' },
  keep: { type: 'string' },
  size: { type: 'string' },
  admin: { type: 'boolean' },
  role: { type: 'string' },
  visibility: { type: 'string' },
  description: { type: 'string' },
  rule: { type: 'string', multiple: true },
  untagged: { type: 'string' },
  newest: { type: 'string' },
  referrers: { type: 'string' },
  scope: { type: 'string', multiple: true },
  repository: { type: 'string', multiple: true },
  since: { type: 'string' },
  until: { type: 'string' },
  action: { type: 'string' },
  actor: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean' },
} as const
export type FlagName = keyof typeof flags
type ValueOf<F extends { readonly type: string }> = F extends { readonly multiple: true }
  ? string[]
  : F['type'] extends 'string'
    ? string
    : boolean
export type Flags = { readonly [K in FlagName]?: ValueOf<(typeof flags)[K]> | undefined }

/** Of flags with few values: what they are. */
export const flagChoices: Readonly<Partial<Record<FlagName, readonly string[]>>> = {
  role: ['read', 'write', 'admin'],
  visibility: ['public', 'internal', 'private'],
  format: ['oci', 'npm', 'generic'],
  referrers: ['go', 'stay'],
  scope: [
    'repository:read',
    'repository:write',
    'repository:admin',
    'package:read',
    'package:stage',
    'package:write',
    'package:admin',
    'organization:read',
    'organization:admin',
    'account:admin',
    'server:read',
    'server:admin',
  ],
}
/** Of flags whose values are places on the disk. */
export const pathFlags: ReadonlySet<FlagName> = new Set(['data', 'config', 'to', 'from', 'token-file', 'password-file'])

/** A wrong command line. */
export class UsageError extends Error {}

/** The flag's value. UsageError when it isn't given. */
export function needed(value: string | undefined, command: string, flag: string): string {
  if (value === undefined || value === '') throw new UsageError(`'stemma ${command}' needs --${flag}`)
  return value
}

/** The flag's value, one of few. UsageError for another. */
export function chosen<T extends string>(flag: FlagName, value: string, choices: readonly T[]): T {
  const choice = choices.find((one) => one === value)
  if (choice === undefined) throw new UsageError(`--${flag} ${value} is none of ${choices.join(', ')}`)
  return choice
}

/** The values of a flag that may be given several times, or with commas. */
export function several(values: readonly string[] | undefined): string[] {
  return (values ?? []).flatMap((value) => value.split(',')).filter((value) => value !== '')
}

/** The first line of the file, which is a secret. UsageError when there is none. */
export function readToken(path: string, flag: FlagName = 'token-file'): string {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw new UsageError(`--${flag} ${path} can't be read: ${error instanceof Error ? error.message : String(error)}`)
  }
  const token = text.split(/\r?\n/, 1)[0]?.trim() ?? ''
  if (token === '') throw new UsageError(`--${flag} ${path} is empty`)
  return token
}

/** A line on standard output, which is for answers. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

/** Rows as lines with tabs between, below their heads; with --json each as an object on its line. */
export function printRows<T>(
  isJson: boolean,
  heads: readonly string[],
  rows: readonly T[],
  cells: (row: T) => readonly (string | null)[],
): void {
  if (isJson) return rows.forEach((row) => print(JSON.stringify(row)))
  print([heads, ...rows.map((row) => cells(row).map((cell) => cell ?? '-'))].map((row) => row.join('\t')).join('\n'))
}

/** What came of a command: as an object with --json, else the words. */
export function printDone(isJson: boolean, done: Readonly<Record<string, unknown>>, words: string): void {
  print(isJson ? JSON.stringify(done) : words)
}

/** As one would write it for a flag: `5m`, `30d`. */
export function shortDuration(seconds: number): string {
  if (seconds === 0) return '0s'
  if (seconds % 86_400 === 0) return `${seconds / 86_400}d`
  if (seconds % 3600 === 0) return `${seconds / 3600}h`
  return seconds % 60 === 0 ? `${seconds / 60}m` : `${seconds}s`
}

/** `1 tag`, `2 tags` */
export function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`
}
