// repack: makes one new pack of all that a network stores. docs/design/repack.md.
export { type Collector, cutOffOf, type RepackOptions, type RepackPhase, type RepackResult, repackNetwork } from './repack.ts'
export { fullPack } from './full-pack.ts'
export { repackUnderLease, underLease } from './lease.ts'
export { replacePacks } from './replace-packs.ts'
export { placeOrDiscard, takeIn } from './take-in.ts'
