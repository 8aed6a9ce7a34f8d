// repack: makes one new pack of all that a network stores. docs/design/repack.md.
export { type Collector, cutOffOf, noLimits, type RepackOptions, type RepackPhase, type RepackResult, repackNetwork } from './repack.ts'
export { repackUnderLease, underLease } from './lease.ts'
export { replacePacks } from './replace-packs.ts'
