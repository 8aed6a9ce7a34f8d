// compact: keeps every network in few packs, in the background. docs/design/compaction.md.
export { compactor } from './compactor.ts'
export { mergePacks, type MergeResult } from './merge.ts'
