// repack: makes one new pack of all that a network stores. docs/design/repack.md.
export { type RepackOptions, type RepackPhase, type RepackResult, repackNetwork } from './repack.ts'
export { repackUnderLease } from './lease.ts'
