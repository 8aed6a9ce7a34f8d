// oci: the registry for container images and other artifacts, over the content store. docs/design/oci.md.
export * from './browse/index.ts'
export { registerOci } from './routes.ts'
export { holdBlobs } from './keeping/kept-blobs.ts'
export { type BlobFinding, checkBlobs } from './keeping/kept-content.ts'
export { unfilledJob } from './keeping/empty-packages.ts'
export { assertPolicy, type RetentionPolicy, type RetentionRule } from './keeping/retention-policy.ts'
export { type DryRun, planFor, type RetentionSettings, retentionJob } from './keeping/retention.ts'
export { clearRetention, type HeldPolicy, retentionAt, setRetention } from './keeping/retention-rows.ts'
export { collectionJob, type CollectionSettings } from './keeping/review.ts'
export { readTagRules, type RuleAct, type RuleHome, setTagRules, type TagRule } from './keeping/tag-rules.ts'
export { evictionJob } from './upstream/eviction.ts'
export { parsePlace } from './upstream/format/declared.ts'
export {
  changeUpstream,
  declareUpstream,
  findUpstream,
  findUpstreamById,
  listUpstreams,
  type NewUpstream,
  removeUpstream,
  type Upstream,
  type UpstreamChange,
  type UpstreamSettings,
} from './upstream/upstreams.ts'
