// import: brings repositories in, from a folder or a URL. docs/design/import.md.
export { bring, type BringOptions, type Brought, type ImportParts, isInStep, verifyStored } from './bring.ts'
export { DiskSource } from './disk-source.ts'
export { importRepository, type ImportOptions, type ImportResult, type ImportTarget } from './import-repository.ts'
export { type FoundRepository, findRepositories, nameOf } from './find-repositories.ts'
export { RemoteSource } from './remote-source.ts'
export type { ImportPhase, ImportProgress, Source, SourceRef, SourceState } from './source.ts'
export { verifyJob, type VerifyCounts, type VerifyJob } from './verify-job.ts'
