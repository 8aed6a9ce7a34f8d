// upload-pack: serves fetches and clones. Advertise (advertise, ls-refs) → parse (request) → join with refs (fetch-task) → plan and write
// (fetch, in a worker) → answer (fetch-answer, where the socket is).
export { advertiseReceivePack, type AdvertiseOptions, advertiseUploadPack } from './advertise.ts'
export { type FetchEvent, fetchEvents, planPack } from './fetch.ts'
export { answerFetch, type AnswerOptions } from './fetch-answer.ts'
export { type FetchTask, fetchTask } from './fetch-task.ts'
export { formatLsRefs, type LsRefsRequest, type VisibleRefs } from './ls-refs.ts'
export { errorPacket } from './negotiation.ts'
export type { PackRegion } from './run-bytes.ts'
export { type FetchRepository, type ObjectSource, openFetchRepository } from './repository.ts'
export { defaultRequestLimits, type FetchRequest, type RequestLimits } from './request.ts'
export { parseRequestV0 } from './request-v0.ts'
export { type CommandV2, parseRequestV2 } from './request-v2.ts'
export type { FrameSink } from './sideband.ts'
