// git: hosts repositories. Other rooms put it together with GitRoom and mount its routes with registerGit.
export {
  type AnswerOf,
  Browser,
  type BrowserOptions,
  type BrowseKind,
  type CommitValue,
  type Contents,
  type DiffAnswer,
  type FileDiff,
  type Named,
  type Person,
  type QuestionOf,
  type RepositoryView,
  type TagValue,
} from './browse/index.ts'
export {
  type ComposeKind,
  Composer,
  type Content,
  type FileResult,
  type NewCommit,
  type ResultOf,
  type Signer,
  type TaskOf,
  type Wanted,
} from './compose/index.ts'
export { type Kind, kindName, type ObjectId, parseKindName, refusalOfPushTo } from './format/index.ts'
export { type LocalCommand, type LocalOutcome } from './receive-pack/index.ts'
export type { Ref } from './refs/index.ts'
export { forkTakesRef, moverOf } from './context.ts'
export { converse, type GitService, gitServices } from './converse.ts'
export { everywhere, type GitAnswer, type GitCall, type GitContext, protocolVersion, type ProtocolVersion } from './git-call.ts'
export type { GitLine } from './git-line.ts'
export { readGpgKey, type SignedObject, SignatureVerifier, unsigned, type Verification } from './signatures/index.ts'
export { findArchive } from './archive/index.ts'
export { GitRoom, type GitRoomOptions } from './git-room.ts'
export { type Exported, exportRepository } from './export/index.ts'
export { compactor } from './compact/index.ts'
export { type Finding, fsck, type FsckOptions, type FsckSummary, type KeyKind, rebuild, type Rebuilt, scrubJob } from './fsck/index.ts'
export {
  type Collected,
  collectionJob,
  collectNetwork,
  endGrace,
  findHolders,
  type Holders,
  reachedBlobs,
  type WantedBlobs,
} from './gc/index.ts'
export { historyBuilder } from './history-job.ts'
export { gitTotals, type GitTotals, type NetworkStorage, networkStorage, type PackSums, storageCounter } from './storage/index.ts'
export { pathTableBuilder } from './paths/index.ts'
export { findPushed, type Pushed, type PushedCommit, type PushedMove } from './pushed/index.ts'
export { registerGit } from './routes.ts'
export { changeSettings, type GitConfig } from './settings/index.ts'
export {
  DiskOrigin,
  findRepositories,
  importRepository,
  type ImportParts,
  type ImportProgress,
  type ImportResult,
  nameOf,
  RemoteOrigin,
  type Origin,
} from './import/index.ts'
export { parsePlace, type RemoteClient, type RemoteUrl, withToken } from './remote/index.ts'
export {
  addMirror,
  type Direction,
  defaultRefs,
  listMirrors,
  mirrorJob,
  type MirrorFacts,
  type MirrorOutcome,
  parseRefPatterns,
  removeMirrors,
  sealMirrors,
  type MirrorRunnerOptions,
  runNext as runNextMirror,
} from './mirror/index.ts'
export { type RepackOptions, type RepackPhase, type RepackResult, repackUnderLease } from './repack/index.ts'
export {
  addRefRule,
  type Allowed,
  changeRefRule,
  findProtection,
  type RefMover,
  readRefRules,
  type RefAct,
  refActs,
  type RefRule,
  removeRefRule,
  type WantedAllowed,
  type WantedRule,
} from './refs/index.ts'
