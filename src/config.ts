// The only reader of the environment and of the config file. The command line beats the environment, which beats the file, which beats
// the defaults. A key that nobody knows and a value that isn't allowed are errors that name key, value, and what is allowed.
import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join, resolve } from 'node:path'
import { parseDocument } from 'yaml'
import { InputError } from './base/index.ts'
import { BadValue } from './config-kinds.ts'
import { type NamedSetting, type Settings, listSettings } from './config-settings.ts'

export type { ListenAddress } from './config-kinds.ts'
export { parseDuration, parseSize } from './config-kinds.ts'

/** Where values lie: one of the two. */
export type BucketConfig =
  | { readonly kind: 'filesystem'; readonly folder: string }
  | {
      readonly kind: 's3'
      readonly endpoint: string
      readonly region: string
      readonly bucket: string
      readonly accessKeyId: string
      readonly secretAccessKey: string
      readonly pathStyle: boolean
      readonly createBucket: boolean
      readonly publicEndpoint: string | null
    }

/** What the server runs with: paths are absolute, everything is checked. Sizes in bytes, times in milliseconds. */
export interface Config extends Omit<Settings, 'bucket' | 'cache' | 'workers'> {
  readonly bucket: BucketConfig
  readonly cache: { readonly memoryBytes: number; readonly diskBytes: number; readonly packBytes: number; readonly folder: string }
  /** `count` is at least 1. */
  readonly workers: { readonly count: number; readonly memoryBytes: number }
}

/** How much one request may ask for. */
export type Limits = Config['limits']

export interface ConfigSources {
  /** From the command line, by key: `{ listen: '0.0.0.0:80' }`. */
  readonly flags?: Readonly<Record<string, string | undefined>>
  /** Path of a YAML file. */
  readonly file?: string | undefined
  /** The environment; the process's own when left out. */
  readonly environment?: Readonly<Record<string, string | undefined>>
}

/** Not for the server: tests and benchmarks set theirs for themselves, and STEMMA_TOKEN is what clients (and the README) call their token. */
const foreignVariable = /^STEMMA_(TEST_|BENCH_|TOKEN$)/

/** Reads, checks and merges all sources. InputError 'config' whose message names what is wrong and where. */
export function loadConfig(sources: ConfigSources = {}): Config {
  const known = listSettings()
  const byKey = new Map(known.map((named) => [named.key, named]))
  const merged = new Map<string, unknown>(known.map((named) => [named.key, named.setting.fallback]))
  if (sources.file !== undefined) {
    for (const [key, value] of readFile(sources.file, byKey)) merged.set(key, parse(byKey, key, value, `in ${sources.file}`))
  }
  for (const [variable, named] of variables(known, sources.environment ?? process.env)) {
    merged.set(named.key, parse(byKey, named.key, variable.value, `in the environment variable ${variable.name}`))
  }
  for (const [key, value] of Object.entries(sources.flags ?? {})) {
    if (value !== undefined) merged.set(key, parse(byKey, key, value, `of --${key}`))
  }
  return complete(nest(merged))
}

function fail(message: string, options?: ErrorOptions): InputError {
  return new InputError('config', message, options)
}

function parse(byKey: ReadonlyMap<string, NamedSetting>, key: string, value: unknown, where: string): unknown {
  const setting = byKey.get(key)?.setting
  if (setting === undefined) throw fail(`unknown key '${key}' ${where}`)
  try {
    return setting.parse(value)
  } catch (error) {
    if (!(error instanceof BadValue)) throw error
    const shown = setting.isSecret ? 'the value' : JSON.stringify(value)
    throw fail(`${key}: ${shown} ${where} must be ${error.message}`, { cause: error })
  }
}

/** Keys and values of the file. */
function readFile(path: string, byKey: ReadonlyMap<string, NamedSetting>): Map<string, unknown> {
  let content: string
  try {
    content = readFileSync(path, 'utf8')
  } catch (cause) {
    throw fail(`the config file ${path} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
  const document = parseDocument(content, { prettyErrors: true })
  const first = document.errors[0]
  if (first !== undefined)
    throw fail(`the config file ${path} is not YAML: ${first.message.split('\n')[0]?.replace(/:$/, '')}`, { cause: first })
  const found = new Map<string, unknown>()
  const sections = new Set([...byKey.keys()].flatMap((key) => key.split('.').map((_, index, parts) => parts.slice(0, index).join('.'))))
  const walk = (value: unknown, key: string): void => {
    if (byKey.has(key)) {
      found.set(key, value)
    } else if (!sections.has(key)) {
      throw fail(`unknown key '${key}' in ${path}; ${allowedNear(key, byKey)}`)
    } else if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      for (const [name, inner] of Object.entries(value)) walk(inner, key === '' ? name : `${key}.${name}`)
    } else if (value !== null) {
      throw fail(`${key === '' ? 'the file' : key}: ${JSON.stringify(value)} in ${path} must be a mapping of keys to values`)
    }
  }
  walk(document.toJS(), '')
  return found
}

function allowedNear(key: string, byKey: ReadonlyMap<string, NamedSetting>): string {
  const section = key.split('.').slice(0, -1).join('.')
  const names = [...byKey.keys()].filter((name) => section === '' || name.startsWith(`${section}.`))
  const depth = section === '' ? 1 : section.split('.').length + 1
  const near = new Set(names.map((name) => name.split('.').slice(0, depth).join('.')))
  return `known here: ${[...near].join(', ')}`
}

function* variables(
  known: readonly NamedSetting[],
  environment: Readonly<Record<string, string | undefined>>,
): Generator<[{ name: string; value: string }, NamedSetting]> {
  const byVariable = new Map(known.map((named) => [named.variable, named]))
  const database = byVariable.get('STEMMA_DATABASE_URL')
  const databaseUrl = environment['DATABASE_URL']
  if (database !== undefined && databaseUrl !== undefined && databaseUrl !== '')
    yield [{ name: 'DATABASE_URL', value: databaseUrl }, database]
  for (const [name, value] of Object.entries(environment)) {
    if (!name.startsWith('STEMMA_') || foreignVariable.test(name) || value === undefined || value === '') continue
    const named = byVariable.get(name)
    if (named === undefined) throw fail(`unknown environment variable ${name}; config.example.yaml lists what there is`)
    yield [{ name, value }, named]
  }
}

function nest(flat: ReadonlyMap<string, unknown>): Settings {
  const root: Record<string, unknown> = {}
  for (const [key, value] of flat) {
    const parts = key.split('.')
    let at = root
    for (const part of parts.slice(0, -1)) at = (at[part] ??= {}) as Record<string, unknown>
    at[parts.at(-1) ?? ''] = value
  }
  return root as Settings
}

/** What one setting alone can't say: defaults that depend on others, and contradictions. */
function complete(given: Settings): Config {
  const data = resolve(given.data)
  const bucket = chooseBucket(given, data)
  if (given.registry.redirect !== 'off' && !(bucket.kind === 's3' && bucket.publicEndpoint !== null)) {
    throw fail(
      `registry.redirect is ${given.registry.redirect}, so an S3 bucket and bucket.s3.publicEndpoint, where clients reach it, are needed too`,
    )
  }
  return {
    ...given,
    data,
    bucket,
    cache: { ...given.cache, folder: resolve(given.cache.folder ?? join(data, 'cache')) },
    workers: { ...given.workers, count: given.workers.count === 0 ? availableParallelism() : given.workers.count },
  }
}

function chooseBucket(given: Settings, data: string): BucketConfig {
  const { filesystem, s3 } = given.bucket
  const { endpoint, bucket, accessKeyId, secretAccessKey } = s3
  if (bucket === null) {
    const lonely = (['endpoint', 'accessKeyId', 'secretAccessKey', 'publicEndpoint'] as const).find((name) => s3[name] !== null)
    if (lonely !== undefined) throw fail(`bucket.s3.${lonely} is set but bucket.s3.bucket is not: which bucket?`)
    return { kind: 'filesystem', folder: resolve(filesystem.folder ?? join(data, 'bucket')) }
  }
  if (filesystem.folder !== null) throw fail('bucket.filesystem.folder and bucket.s3.bucket are both set: choose one')
  if (endpoint === null || accessKeyId === null || secretAccessKey === null) {
    throw fail('bucket.s3.bucket is set, so bucket.s3.endpoint, bucket.s3.accessKeyId and bucket.s3.secretAccessKey are needed too')
  }
  return { kind: 's3', ...s3, endpoint, bucket, accessKeyId, secretAccessKey }
}
