// Command lines of the benchmarks: `--name value`, repeated where a list is meant.
import { parseArgs } from 'node:util'

export interface NamedRepository {
  readonly name: string
  readonly path: string
}

/** `--repo S=/path/to/S.git` (repeatable), `--runs 5`, `--out FILE`, and the flags named. */
export function benchArguments(flags: readonly string[] = []): {
  readonly repositories: readonly NamedRepository[]
  readonly runs: number
  readonly out: string | null
  has(flag: string): boolean
  readonly positionals: readonly string[]
} {
  const options: Record<string, { type: 'string' | 'boolean'; multiple?: boolean }> = {
    repo: { type: 'string', multiple: true },
    runs: { type: 'string' },
    out: { type: 'string' },
  }
  for (const flag of flags) options[flag] = { type: 'boolean' }
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
    positionals,
  }
}
