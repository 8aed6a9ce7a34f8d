// What of upstreams is one format's business: how places are written, and what lies in a package.
import type { Database, Tx } from '../../db/index.ts'
import type { PlaceGrammar } from './format/declared.ts'

/** Formats whose packages may come from elsewhere. */
export type UpstreamFormatName = 'oci' | 'npm'

export interface UpstreamFormat extends PlaceGrammar {
  readonly name: UpstreamFormatName
  /** True: a package of the owner's own goes before an upstream that is declared around it, and places may be claimed. False: no upstream is declared around one. */
  readonly isOwnFirst: boolean
  /** Takes everything out of a package, step by step. */
  readonly empty: (db: Database, packageId: number) => Promise<void>
  /** Said in a transaction that deletes packages with what is in them. */
  readonly letGo: (tx: Tx) => Promise<void>
}
