// What packages are called: npm's own rules, and what paths of ours couldn't tell from something else.
import { InputError } from '../../base/index.ts'
import { valid } from 'semver'
import validate from 'validate-npm-package-name'

export interface NpmName {
  /** `@scope/name`, or `name`. */
  readonly full: string
  /** Without `@`; null: it has none. */
  readonly scope: string | null
  /** What its tarballs are called after: `name`. */
  readonly base: string
}

const longestName = 214

/** Names that were given out before the rules were made are read (and fetched from upstreams): with capital letters, and longer. Null: no name at all. */
export function parseName(text: string): NpmName | null {
  if (text.length > longestName + 40 || !validate(text).validForOldPackages || isAmbiguous(text)) return null
  const match = /^@([^/]+)\/([^/]+)$/.exec(text)
  return match ? { full: text, scope: match[1] as string, base: match[2] as string } : { full: text, scope: null, base: text }
}

/** Of a package that is published for the first time. InputError `bad-name`. */
export function assertNewName(text: string): NpmName {
  const { validForNewPackages, errors = [], warnings = [] } = validate(text)
  const name = parseName(text)
  if (validForNewPackages && name !== null) return name
  const [fault = 'name is one that paths of this registry could not tell from a version'] = [...errors, ...warnings]
  throw new InputError('bad-name', `Invalid package name ${JSON.stringify(text.slice(0, 100))}: ${fault}`)
}

/** `{base}-{version}.tgz` */
export function tarballName({ base }: NpmName, version: string): string {
  return `${base}-${version}.tgz`
}

/** The version in a tarball's name; null: it isn't one of that package's. */
export function versionIn(name: NpmName, file: string): string | null {
  const start = `${name.base}-`
  if (!file.startsWith(start) || !file.endsWith('.tgz')) return null
  return file.slice(start.length, -'.tgz'.length)
}

/** Names that are alike to a reader: npm refuses a new one beside an old one. */
export function lookAlikeKey({ scope, base }: NpmName): string {
  const key = base.toLowerCase().replaceAll(/[-_.]/g, '')
  return scope === null ? key : `@${scope.toLowerCase()}/${key}`
}

/** A version, or what stands in a path where a version may: docs/design/npm.md, Paths. */
function isAmbiguous(text: string): boolean {
  return text === 'latest' || valid(text) !== null
}
