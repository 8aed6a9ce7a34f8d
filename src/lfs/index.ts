// lfs: Git LFS — batch API, basic transfers and locks over the content store. docs/design/lfs.md.
export { type Pruned, pruneJob, pruneObjects, type PruneParts, type ReachedBlobs } from './prune.ts'
export { type LfsOptions, registerLfs } from './routes.ts'
export { checkObjects, holdObjects, type LfsFinding, lfsReferences } from './kept-content.ts'
