// Versions: semver's, as npm takes them (https://semver.org, node-semver).
import { parse, validRange } from 'semver'
import { InputError } from '../../base/index.ts'

const longestVersion = 256

/** Exactly as semver writes it; null: it isn't one. */
export function parseVersion(text: unknown): string | null {
  if (typeof text !== 'string' || text.length > longestVersion) return null
  const version = parse(text)
  // with its build metadata: npm keeps it
  return version === null || `${version.version}${version.build.length > 0 ? `+${version.build.join('.')}` : ''}` !== text ? null : text
}

/** What two versions that nobody could tell apart have in common: no build metadata, which semver doesn't compare, and small letters. */
export function versionKey(version: string): string {
  const plus = version.indexOf('+')
  return (plus < 0 ? version : version.slice(0, plus)).toLowerCase()
}

/** InputError `bad-tag`. A tag that reads as a range would never be looked at: clients take it for versions. */
export function assertTag(text: unknown): string {
  if (typeof text === 'string' && /^[^\s\p{Cc}/@%\\]{1,214}$/u.test(text) && encodeURIComponent(text) === text && validRange(text) === null)
    return text
  throw new InputError(
    'bad-tag',
    `Tag name must not be a valid SemVer range, and must be URL-friendly: ${JSON.stringify(text).slice(0, 100)}`,
  )
}
