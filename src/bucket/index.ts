// bucket: keys → bytes on a filesystem or S3, and the cache that reads of them go through. docs/design/bucket.md.
export * from './block-cache.ts'
export * from './bucket.ts'
export type { BucketErrorCode } from './errors.ts'
export { MemoryBucket } from './memory.ts'
export * from './open.ts'
export * from './paths.ts'
export * from './requests.ts'
export type { S3Settings } from './s3-client.ts'
