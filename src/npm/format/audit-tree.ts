// What clients send to ask whether their packages are known to be bad: names with versions (`advisories/bulk`), or a whole tree (`audits/quick`). Pure.
import { InputError } from '../../base/index.ts'
import { type Advisory, advisoryJson, type Severity } from './advisories.ts'

/** More than any tree has. */
const mostVersions = 50_000
const deepest = 200

/** Versions by name, each with where it stands in the tree (none where only versions were sent). */
export type AskedVersions = ReadonlyMap<string, ReadonlyMap<string, readonly string[]>>

/** InputError `bad-json`. */
export function parseBulk(body: Readonly<Record<string, unknown>>): AskedVersions {
  const asked = new Map<string, Map<string, string[]>>()
  let count = 0
  for (const [name, versions] of Object.entries(body)) {
    if (!Array.isArray(versions) || versions.some((version) => typeof version !== 'string'))
      throw new InputError('bad-json', `'${name.slice(0, 100)}' must be a list of versions`)
    count += versions.length + 1
    if (count > mostVersions) throw tooMany()
    asked.set(name, new Map((versions as string[]).map((version) => [version, []])))
  }
  return asked
}

/** InputError `bad-json`. */
export function parseTree(body: Readonly<Record<string, unknown>>): AskedVersions {
  const asked = new Map<string, Map<string, string[]>>()
  let count = 0
  const walk = (dependencies: unknown, path: readonly string[]): void => {
    if (path.length > deepest) throw tooMany()
    for (const [name, one] of Object.entries(objectOr(dependencies))) {
      if (++count > mostVersions) throw tooMany()
      const { version, dependencies: more } = objectOr(one)
      const here = [...path, name]
      if (typeof version === 'string') {
        const versions = asked.get(name) ?? new Map<string, string[]>()
        versions.set(version, [...(versions.get(version) ?? []), here.join('>')])
        asked.set(name, versions)
      }
      walk(more, here)
    }
  }
  walk(body.dependencies, [])
  return asked
}

/** As `audits/quick` answers. */
export function formatAudit(asked: AskedVersions, found: readonly { readonly advisory: Advisory; readonly versions: readonly string[] }[]) {
  const vulnerabilities: Record<Severity, number> = { info: 0, low: 0, moderate: 0, high: 0, critical: 0 }
  const advisories: Record<string, unknown> = {}
  for (const { advisory, versions } of found) {
    const findings = versions.map((version) => ({ version, paths: asked.get(advisory.name)?.get(version) ?? [] }))
    vulnerabilities[advisory.severity] += findings.reduce((sum, { paths }) => sum + Math.max(1, paths.length), 0)
    const { vulnerable_versions: range, ...facts } = advisoryJson(advisory)
    advisories[advisory.id] = {
      ...facts,
      findings,
      module_name: advisory.name,
      vulnerable_versions: range,
      patched_versions: '',
      overview: advisory.title,
    }
  }
  const dependencies = [...asked.values()].reduce((sum, versions) => sum + versions.size, 0)
  const metadata = { vulnerabilities, dependencies, devDependencies: 0, optionalDependencies: 0, totalDependencies: dependencies }
  return { actions: [], advisories, muted: [], metadata }
}

function objectOr(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {}
}

function tooMany(): InputError {
  return new InputError('too-large', `More than ${mostVersions} versions, or ${deepest} of them in each other, are not looked at at once`)
}
