// mirror: keeps repositories in step with others elsewhere. docs/design/import.md.
export { defaultRefs, parseRefPatterns, refMatcher } from './mirror-refs.ts'
export { type MirrorOutcome, mirrorJob, type MirrorRunnerOptions, runNext } from './mirror-runner.ts'
export {
  addMirror,
  type Direction,
  listMirrors,
  type Mirror,
  type MirrorChoice,
  type MirrorFacts,
  removeMirrors,
  sealMirrors,
} from './mirrors.ts'
export type { MirrorResult } from './run-mirror.ts'
