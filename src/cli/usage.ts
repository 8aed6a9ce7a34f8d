// What every command uses of the command line: its flags, how mistakes in it are told, where answers go.
import { readFileSync } from 'node:fs'

export const flags = {
  data: { type: 'string' },
  listen: { type: 'string' },
  config: { type: 'string' },
  account: { type: 'string' },
  name: { type: 'string' },
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
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean' },
} as const
export type Flags = { readonly [K in keyof typeof flags]?: ((typeof flags)[K]['type'] extends 'string' ? string : boolean) | undefined }

/** A wrong command line. */
export class UsageError extends Error {}

/** The flag's value. UsageError when it isn't given. */
export function needed(value: string | undefined, command: string, flag: string): string {
  if (value === undefined || value === '') throw new UsageError(`'stemma ${command}' needs --${flag}`)
  return value
}

/** The first line of the file, which is a secret. UsageError when there is none. */
export function readToken(path: string): string {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw new UsageError(`--token-file ${path} can't be read: ${error instanceof Error ? error.message : String(error)}`)
  }
  const token = text.split(/\r?\n/, 1)[0]?.trim() ?? ''
  if (token === '') throw new UsageError(`--token-file ${path} is empty`)
  return token
}

/** A line on standard output, which is for answers. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`)
}
