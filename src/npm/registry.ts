// What the registry's handlers work with.
import type { Clock, Log, Sealer, SharedPlaces } from '../base/index.ts'
import type { Database } from '../db/index.ts'
import type { ContentSending, Downloads } from '../packages/index.ts'
import type { Roots } from './publish/provenance.ts'
import type { ContentStore, ContentUploads } from '../store/index.ts'
import type { PeopleOptions } from './account/parts.ts'
import type { Documents } from './read/documents.ts'
import type { SearchIndex } from './read/search-index.ts'
import type { Signer } from './read/signer.ts'
import type { NpmUpstreamOptions, NpmUpstreams } from './upstream/serving.ts'

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
  /** Seals the key that versions are signed with. */
  readonly sealer: Sealer
  /** How clients reach the server, when that isn't how they sent the request. */
  readonly publicUrl: string | null
  /** Whose the unscoped names of the root registry are; null: nobody's. */
  readonly root: string | null
  readonly limits: NpmLimits
  /** Who has to vouch for provenance; null: nobody, it is what its bundle says. */
  readonly roots: Roots | null
  /** Who calls, and who may, as clients ask it. */
  readonly people: PeopleOptions
  /** Where packages of others come from. */
  readonly upstreamOptions: NpmUpstreamOptions
}

export interface NpmRegistry extends NpmOptions {
  readonly downloads: Downloads
  /** What goes on behind an answer; waited for when the server stops. */
  readonly background: Set<Promise<void>>
  /** Large documents of publishes and changes, in memory at one time. */
  readonly largeDocuments: SharedPlaces
  /** Tarballs on their way to clients. */
  readonly sending: ContentSending
  readonly documents: Documents
  readonly signer: Signer
  readonly search: SearchIndex
  readonly upstreams: NpmUpstreams
}
