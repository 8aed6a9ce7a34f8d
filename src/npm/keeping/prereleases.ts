// Prereleases that nobody needs any more: which go, and why, and taking them away. Releases and what a tag leads to never go.
import { prerelease } from 'semver'
import type { Actor, Package } from '../../access/index.ts'
import { InputError } from '../../base/index.ts'
import type { Database } from '../../db/index.ts'
import { changing, removeVersions } from '../publish/change-rows.ts'

export interface PrereleasePolicy {
  /** So many of them stay, those that were published last. */
  readonly newest: number
  /** Those that were published within so many days stay, too. */
  readonly days: number
}

export interface Prerelease {
  readonly name: string
  readonly tags: readonly string[]
  readonly publishedAt: Date
}

export interface PrereleaseVerdict extends Prerelease {
  readonly goes: boolean
  readonly why: string
}

const dayMs = 86_400_000
const batchVersions = 100

export function isPrerelease(version: string): boolean {
  return prerelease(version) !== null
}

/** Of prereleases, the newest first; others are passed over. Pure. */
export function judgePrereleases({ newest, days }: PrereleasePolicy, versions: readonly Prerelease[], now: Date): PrereleaseVerdict[] {
  const sorted = versions
    .filter(({ name }) => isPrerelease(name))
    .toSorted((a, b) => b.publishedAt.getTime() - a.publishedAt.getTime() || (a.name < b.name ? 1 : -1))
  return sorted.map((version, place) => {
    const ageDays = (now.getTime() - version.publishedAt.getTime()) / dayMs
    if (version.tags.length > 0) return { ...version, goes: false, why: `${version.tags.join(', ')} leads to it` }
    if (place < newest) return { ...version, goes: false, why: `it is among the newest ${newest}` }
    if (ageDays < days) return { ...version, goes: false, why: `it was published within ${days} days` }
    return { ...version, goes: true, why: `not among the newest ${newest}, published ${Math.floor(ageDays)} days ago` }
  })
}

/** For ever, in bounded steps. What a tag has come to lead to meanwhile stays. Which went. */
export async function removePrereleases(db: Database, one: Package, versions: readonly string[], actor: Actor): Promise<string[]> {
  if (one.upstreamId !== null)
    throw new InputError('upstreams-package', `${one.name} comes from an upstream: what is kept of it is said there`)
  const gone: string[] = []
  for (let at = 0; at < versions.length; at += batchVersions) {
    const wanted = new Set(versions.slice(at, at + batchVersions))
    let now: string[] = []
    await changing(db, one, null, async (tx, locked) => {
      const tagged = new Set(locked.tags.values())
      now = locked.versions
        .map(({ version }) => version)
        .filter((version) => wanted.has(version) && isPrerelease(version) && !tagged.has(version))
      return removeVersions(tx, locked, now, actor)
    })
    gone.push(...now)
  }
  return gone
}
