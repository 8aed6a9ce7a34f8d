// fsck: whether what is stored is what was written, and whether rows and keys agree. docs/design/fsck.md.
export type { KeyKind } from './check-keys.ts'
export type { Dependents, Finding, FindingCode, Severity } from './finding.ts'
export { rebuild, type RebuildOptions, type Rebuilt } from './rebuild.ts'
export { scrubJob, type ScrubState, scrubState } from './scrub.ts'
export { fsck, type FsckOptions, type FsckSummary } from './fsck.ts'
