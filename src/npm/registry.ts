// What the registry's handlers work with.
import type { Clock, Log, Recent, SharedPlaces } from '../base/index.ts'
import type { Database } from '../db/index.ts'
import type { Downloads } from '../packages/index.ts'
import type { Roots } from './publish/provenance.ts'
import type { ContentStore, ContentUploads } from '../store/index.ts'
import type { PeopleOptions } from './account/parts.ts'

export interface NpmLimits {
  readonly tarballBytes: number
  /** Of what is published, without its attachments; of any other body. */
  readonly documentBytes: number
  /** Of the tarball's files together, unpacked. */
  readonly unpackedBytes: number
  readonly entries: number
  readonly concurrentDownloads: number
}

export interface NpmOptions {
  readonly db: Database
  readonly clock: Clock
  readonly store: ContentStore
  readonly uploads: ContentUploads
  readonly log: Log
  /** How clients reach the server, when that isn't how they sent the request. */
  readonly publicUrl: string | null
  /** Whose the unscoped names of the root registry are; null: nobody's. */
  readonly root: string | null
  readonly limits: NpmLimits
  /** Who has to vouch for provenance; null: nobody, it is what its bundle says. */
  readonly roots: Roots | null
  /** Who calls, and who may, as clients ask it. */
  readonly people: PeopleOptions
}

export interface NpmRegistry extends NpmOptions {
  /** Pulls of large tarballs at one time: each reads some MiB ahead. */
  readonly places: SharedPlaces
  readonly downloads: Downloads
  /** What goes on behind an answer; waited for when the server stops. */
  readonly background: Set<Promise<void>>
  /** Small tarballs, by their contents' digests. Whoever gets them was found to have them just before. */
  readonly smallTarballs: Recent<Uint8Array>
}
