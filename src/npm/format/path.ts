// What a path below /npm/ is about: whose registry, which package, and what of it. The one place that reads them; docs/design/npm.md, Paths.
import { valid } from 'semver'
import { type NpmName, parseName, versionIn } from './names.ts'

export type NpmTarget = {
  /** Whose registry; null: the root. */
  readonly owner: string | null
  readonly name: NpmName
} & (
  | { readonly kind: 'packument' }
  /** A version, or a tag. */
  | { readonly kind: 'version'; readonly version: string }
  | { readonly kind: 'tarball'; readonly file: string }
  /** A packument that is written back, or goes: unpublishing. */
  | { readonly kind: 'revision'; readonly revision: string }
  | { readonly kind: 'tarball-revision'; readonly file: string; readonly revision: string }
)

/**
 * @param path behind `/npm/`, decoded, no slash at its beginning
 * @returns null where the protocol has nothing
 */
export function parsePath(path: string): NpmTarget | null {
  const segments = path.split('/')
  if (segments.includes('')) return null
  const [first = '', ...rest] = segments
  if (first.startsWith('-')) return null
  if (first.startsWith('@')) return parseIn(null, segments)
  return rest.length === 0 || isOfRoot(first, rest) ? parseIn(null, segments) : parseIn(first, rest)
}

/** Of an unscoped name in the root registry: what follows could be no package of an owner's, for none is called so. */
function isOfRoot(name: string, [second = '', third = '']: readonly string[]): boolean {
  if (second === 'latest' || second === '-rev' || valid(second) !== null) return true
  const parsed = parseName(name)
  return second === '-' && parsed !== null && versionIn(parsed, third) !== null
}

function parseIn(owner: string | null, segments: readonly string[]): NpmTarget | null {
  const words = segments[0]?.startsWith('@') === true ? 2 : 1
  const name = parseName(segments.slice(0, words).join('/'))
  if (name === null) return null
  const [second, third, fourth, fifth, ...more] = segments.slice(words)
  const common = { owner, name }
  if (more.length > 0) return null
  if (second === undefined) return { ...common, kind: 'packument' }
  if (second === '-rev') return third !== undefined && fourth === undefined ? { ...common, kind: 'revision', revision: third } : null
  if (second !== '-') return third === undefined ? { ...common, kind: 'version', version: second } : null
  if (third === undefined) return null
  if (fourth === undefined) return { ...common, kind: 'tarball', file: third }
  return fourth === '-rev' && fifth !== undefined ? { ...common, kind: 'tarball-revision', file: third, revision: fifth } : null
}
