// lfs: Git LFS — batch API, basic transfers and locks over the content store. docs/design/lfs.md.
export { type LfsOptions, registerLfs } from './routes.ts'
export { checkObjects, holdObjects, type LfsFinding, lfsReferences } from './kept-content.ts'
