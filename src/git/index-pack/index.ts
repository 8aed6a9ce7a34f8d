// index-pack: makes a received pack into an indexed one. What others may use of this folder.
export * from './index-pack.ts'
export type { IndexPackCode } from './errors.ts'
export { indexPack, pushFsck } from './job.ts'
export { FileSpool, GrowingSpool, MemorySpool } from './spool.ts'
