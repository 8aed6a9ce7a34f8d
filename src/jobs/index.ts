// jobs: leased background work in PostgreSQL, and the sweeper of keys that nothing refers to.
export { holdKeys, releaseKeys } from './key-hold.ts'
export { type Job, JobRunner, type JobRunnerOptions } from './runner.ts'
export { type Swept, orphanSweeper, sweepOrphans } from './sweep-orphans.ts'
