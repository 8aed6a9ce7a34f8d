// hooks: webhooks. What the outbox tells is sent to whoever asked for it, at least once, signed, and noted (docs/design/webhooks.md).
export { type DeliveryDetails, type DeliveryFacts, findDelivery, lastOutcomes, listDeliveries, redeliver } from './delivery-log.ts'
export { hiddenSecret, hookConfig, hookDocument } from './documents.ts'
export { type ContentType, contentTypes } from './format/sending.ts'
export type {
  CommitQuestion,
  DeliveryOutcome,
  FindCommits,
  HookAccount,
  HookDocuments,
  HookLimits,
  HookRoom,
  PushedCommit,
  PushedCommits,
} from './hook-room.ts'
export {
  changeHook,
  createHook,
  deleteHook,
  findHook,
  type Hook,
  type HookAct,
  type HookChange,
  type HookOwner,
  listHooks,
} from './hooks.ts'
export { webhookLag } from './deliveries.ts'
export { type HookSubject, pingHook, testHook } from './trials.ts'
export { webhookJob, webhookTrimmer } from './webhook-job.ts'
