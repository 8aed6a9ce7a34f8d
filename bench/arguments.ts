// Command lines of the benchmarks: `--name value`, repeated where a list is meant.
import { parseArgs } from 'node:util'

export interface NamedRepository {
  readonly name: string
  readonly path: string
}

export interface BenchArguments {
  readonly repositories: readonly NamedRepository[]
  readonly runs: number
  readonly out: string | null
  has(flag: string): boolean
  /** The values of a `--name value` that was given; empty when it wasn't. */
  values(name: string): readonly string[]
  readonly positionals: readonly string[]
}

/** `--repo S=/path/to/S.git` (repeatable), `--runs 5`, `--out FILE`, the flags named, and the names with values (repeatable). */
export function benchArguments(flags: readonly string[] = [], named: readonly string[] = []): BenchArguments {
  const options: Record<string, { type: 'string' | 'boolean'; multiple?: boolean }> = {
    repo: { type: 'string', multiple: true },
    runs: { type: 'string' },
    out: { type: 'string' },
  }
  for (const flag of flags) options[flag] = { type: 'boolean' }
  for (const name of named) options[name] = { type: 'string', multiple: true }
  const { values, positionals } = parseArgs({ options, allowPositionals: true })
  const repositories = ((values.repo ?? []) as string[]).map((word) => {
    const [name, path] = word.split('=')
    if (name === undefined || path === undefined) throw new Error(`--repo NAME=PATH, not ${word}`)
    return { name, path }
  })
  return {
    repositories,
    runs: Number(values.runs ?? 5),
    out: (values.out as string | undefined) ?? null,
    has: (flag) => values[flag] === true,
    values: (name) => (values[name] ?? []) as string[],
    positionals,
  }
}
