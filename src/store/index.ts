// store: content by digest — everything large that isn't a Git object. docs/design/content-store.md.
export type {
  ContentInfo,
  ContentRange,
  ContentReference,
  ContentStore,
  OpenContent,
  PutOptions,
  PutResult,
} from './content-store.ts'
export type {
  AppendOptions,
  ContentUploads,
  ExpectedDigest,
  FinishOptions,
  ReceivedContent,
  ReceiveOptions,
  UploadAlgorithm,
  UploadPart,
  UploadState,
} from './content-uploads.ts'
export { type Digest, digestBytes, digestOf, isDigest, parseDigest } from './digest.ts'
export { SegmentStore, type SegmentStoreOptions } from './segment-store.ts'
export { decodeList, type FileEntry, hasBody, type PlacedEntry } from './opened/format/file-list.ts'
export type { OpeningOptions } from './opened/open-due.ts'
export type { CheckStoreOptions, StoreCheck } from './fsck/check-store.ts'
export type { ContentFinding } from './fsck/content-finding.ts'
export { contentScrubState, type ContentScrubState } from './fsck/scrub-content.ts'
export { type Rebuilt, rebuildStore } from './rebuild.ts'
export { isLost } from './whole/damaged.ts'
export { contentTotals, type ContentTotals, type ContentWay, contentWays } from './totals.ts'
export { TarSplit } from './opened/format/tar-split.ts'
export { TarWalk } from './opened/format/tar-walk.ts'
export { mostMetaBytes } from './opened/limits.ts'
export { unpacked } from './opened/unpacking.ts'
