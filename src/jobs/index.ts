// jobs: leased background work in PostgreSQL, the outbox's readers, and the sweeper of keys that nothing refers to.
export { holdKeys, releaseKeys } from './key-hold.ts'
export {
  hasOutboxRows,
  moveConsumer,
  type OutboxBatch,
  type OutboxPlace,
  type OutboxRow,
  outboxTrimmer,
  readOutbox,
  trimOutbox,
} from './outbox.ts'
export { type Job, JobRunner, type JobRunnerOptions } from './runner.ts'
export { type Swept, orphanSweeper, sweepKeys, sweepOrphans } from './sweep-orphans.ts'
