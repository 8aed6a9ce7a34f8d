// What the registry's handlers work with.
import type { Failures, RegistryTokens } from '../access/index.ts'
import type { Clock, Log, Recent, SharedPlaces } from '../base/index.ts'
import { type Database, sqlState } from '../db/index.ts'
import type { SmallContents } from '../packages/index.ts'
import type { ContentStore, ContentUploads } from '../store/index.ts'
import { ociError } from './format/errors.ts'
import type { ManifestLimits } from './format/manifest.ts'
import type { Pulls } from './keeping/pulls.ts'
import { immutableTagFault } from './keeping/tag-rules.ts'

export interface RegistryLimits {
  /** Of one blob. */
  readonly blobBytes: number
  readonly manifest: ManifestLimits
  /** How many indexes may stand in each other. */
  readonly indexDepth: number
  /** How long a blob stays that no manifest names. */
  readonly leaseMs: number
  readonly concurrentDownloads: number
}

/** Whose blobs clients get from the bucket itself; from how many bytes on, and how long they may begin to. */
export interface RedirectOptions {
  readonly of: 'off' | 'public' | 'all'
  readonly fromBytes: number
  readonly lifetimeMs: number
}

export interface RegistryOptions {
  readonly db: Database
  readonly clock: Clock
  /** What clients show instead of their credentials. */
  readonly tokens: RegistryTokens
  /** Counts credentials that are no good. */
  readonly failures?: Failures | undefined
  readonly store: ContentStore
  readonly uploads: ContentUploads
  readonly log: Log
  /** How clients reach the server, when that isn't how they sent the request. */
  readonly publicUrl: string | null
  readonly limits: RegistryLimits
  /** Left out: off. */
  readonly redirects?: RedirectOptions
}

export interface Registry extends RegistryOptions {
  /** Pulls of blobs at one time: each reads some MiB ahead. */
  readonly downloads: SharedPlaces
  /** By digest, in the order in which they were last pulled. Whoever gets them was found to have them just before. */
  readonly manifestBytes: Recent<Uint8Array>
  /** Small blobs, mostly configs: every pull asks for one, and every push looks into one. */
  readonly smallBlobs: SmallContents
  readonly pulls: Pulls
  /** What goes on behind an answer; waited for when the server stops. */
  readonly background: Set<Promise<void>>
}

/** What a transaction's failure is for the client: the package was deleted under its feet, or it would have moved an immutable tag. */
export function asFault(error: unknown): unknown {
  const immutable = immutableTagFault(error)
  if (immutable !== null) return ociError('denied', immutable)
  return sqlState(error) === '23503' ? ociError('name-unknown') : error
}

export function rethrowFault(error: unknown): never {
  throw asFault(error)
}

/** Runs behind the answer; what fails is logged and nothing else. */
export function inBackground(registry: Registry, what: string, work: () => Promise<void>): void {
  const running = work()
    .catch((error: unknown) => registry.log.warn({ err: error }, `${what} failed`))
    .finally(() => registry.background.delete(running))
  registry.background.add(running)
}
