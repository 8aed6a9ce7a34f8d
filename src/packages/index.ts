// packages: what the formats share that publish under an owner's name. docs/design/packages.md.
export { packageReference, packageReferences } from './content-holds.ts'
export { chargeContent } from './content-quota.ts'
export { Downloads } from './downloads.ts'
export { isUnlinked, linkToSource, type SourceOptions } from './source-link.ts'
export {
  addFile,
  findFile,
  findVersion,
  insertVersion,
  type NewFile,
  type NewVersion,
  type PackageFile,
  removeVersion,
  type VersionId,
} from './version-rows.ts'
export * from './upstream/index.ts'
