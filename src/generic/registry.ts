// What the registry's handlers work with.
import type { Log } from '../base/index.ts'
import type { Database } from '../db/index.ts'
import type { ContentSending, Downloads } from '../packages/index.ts'
import type { ContentStore, ContentUploads } from '../store/index.ts'

export interface GenericOptions {
  readonly db: Database
  readonly store: ContentStore
  readonly uploads: ContentUploads
  readonly log: Log
  /** How clients reach the server, when that isn't how they sent the request. */
  readonly publicUrl: string | null
  readonly limits: { readonly fileBytes: number; readonly concurrentDownloads: number }
}

export interface GenericRegistry extends GenericOptions {
  readonly sending: ContentSending
  readonly downloads: Downloads
}
