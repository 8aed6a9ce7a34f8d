// What a packument that a client writes back changes: versions that aren't in it any more, tags, and what is said of versions. Pure.
import { InputError } from '../../base/index.ts'
import { compare, prerelease } from 'semver'
import { assertTag } from '../format/versions.ts'

/** As it stands in rows. */
export interface StoredVersion {
  readonly version: string
  readonly deprecated: string | null
}

export interface Written {
  readonly versions: Readonly<Record<string, unknown>> | null
  readonly tags: Readonly<Record<string, unknown>> | null
}

const longestMessage = 4096

/** Versions whose deprecation is another; null: they may be used again. InputError 'bad-document'. */
export function deprecationsIn(stored: readonly StoredVersion[], { versions }: Written): ReadonlyMap<string, string | null> {
  const changed = new Map<string, string | null>()
  for (const { version, deprecated } of stored) {
    const said = versions !== null && Object.hasOwn(versions, version) ? versions[version] : undefined
    if (said === null || typeof said !== 'object' || !('deprecated' in said)) continue
    const text = said.deprecated
    if (text !== undefined && text !== null && typeof text !== 'string' && typeof text !== 'boolean')
      throw new InputError('bad-document', 'What is said of a deprecated version must be text')
    // an empty text takes it back
    const wanted = typeof text === 'string' && text !== '' ? text.replaceAll('\0', '').slice(0, longestMessage) : null
    if (wanted !== deprecated && typeof text !== 'boolean') changed.set(version, wanted)
  }
  return changed
}

/** Versions that aren't in the document. */
export function removedIn(stored: readonly StoredVersion[], { versions }: Written): readonly string[] {
  return versions === null ? [] : stored.map(({ version }) => version).filter((version) => !Object.hasOwn(versions, version))
}

/** InputError 'bad-tag', 'version-unknown'. */
export function assertTags(tags: Readonly<Record<string, unknown>>, left: readonly string[]): ReadonlyMap<string, string> {
  const known = new Map<string, string>()
  for (const [tag, version] of Object.entries(tags)) {
    if (typeof version !== 'string' || !left.includes(version))
      throw new InputError('version-unknown', `The tag ${JSON.stringify(tag).slice(0, 220)} must lead to a version of the package`)
    known.set(assertTag(tag), version)
  }
  return known
}

/** What `latest` leads to when its version is gone: the highest that is no prerelease, or else the highest. */
export function highestOf(versions: readonly string[]): string | null {
  const sorted = versions.toSorted(compare)
  return sorted.findLast((version) => prerelease(version) === null) ?? sorted.at(-1) ?? null
}
