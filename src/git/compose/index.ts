// compose: objects and commits that are made here for whoever asks by the API, and refs that are moved for him.
export { Composer, type Wanted } from './composer.ts'
export type { ComposeKind, ResultOf, TaskOf } from './compose-job.ts'
export type { NewCommit, Signer } from './commit-text.ts'
export type { Content, FileResult } from './tasks.ts'
