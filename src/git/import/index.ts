// import: brings repositories in, from a folder or a URL. docs/design/import.md.
export { bring, type BringOptions, type Brought, type ImportParts, isInStep, verifyStored } from './bring.ts'
export { DiskOrigin } from './disk-origin.ts'
export { importRepository, type ImportOptions, type ImportResult, type ImportTarget } from './import-repository.ts'
export { type FoundRepository, findRepositories, nameOf } from './find-repositories.ts'
export { RemoteOrigin } from './remote-origin.ts'
export type { ImportPhase, ImportProgress, Origin, OriginRef, OriginState } from './origin.ts'
export { verifyJob, type VerifyCounts, type VerifyJob } from './verify-job.ts'
