// gc: objects leave that nothing reaches. docs/design/gc.md.
export { type Collected, collectNetwork, type CollectOptions } from './collect.ts'
export { collectionJob, type CollectionOptions } from './collection-job.ts'
export { endGrace, findHolders, type Holders } from './purge.ts'
export { reachedBlobs, type WantedBlobs } from './small-blobs.ts'
export type { NamedRef } from './roots.ts'
