// What a manifest says that its version needs. Whatever is no name or no text is passed over: installing is the clients' business. Pure.
import { parseName } from './names.ts'

export const dependencyKinds = ['dependencies', 'peerDependencies', 'optionalDependencies'] as const
export type DependencyKind = (typeof dependencyKinds)[number]

export interface Dependency {
  readonly name: string
  readonly kind: DependencyKind
  /** A range, a tag, a URL: as it stands there. */
  readonly range: string
}

const most = 2000
const longestRange = 256

export function dependenciesOf(manifest: Readonly<Record<string, unknown>>): Dependency[] {
  const found: Dependency[] = []
  for (const kind of dependencyKinds) {
    const said = manifest[kind]
    if (said === null || typeof said !== 'object' || Array.isArray(said)) continue
    for (const [name, range] of Object.entries(said)) {
      if (typeof range !== 'string' || range.includes('\0') || parseName(name) === null) continue
      if (found.length === most) return found
      // npm writes optional ones into both
      if (kind === 'optionalDependencies') dropTwin(found, name)
      found.push({ name, kind, range: range.slice(0, longestRange) })
    }
  }
  return found
}

function dropTwin(found: Dependency[], name: string): void {
  const at = found.findIndex((one) => one.name === name && one.kind === 'dependencies')
  if (at >= 0) found.splice(at, 1)
}
