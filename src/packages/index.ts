// packages: what the formats share that publish under an owner's name. docs/design/packages.md.
export { packageReference, packageReferences } from './content-holds.ts'
export { chargeContent } from './content-quota.ts'
export { Downloads } from './downloads.ts'
export { type ContentSending, sendContent, type SentContent } from './send-content.ts'
export { sendFile } from './send-file.ts'
export { SmallContents } from './small-contents.ts'
export { isUnlinked, linkToSource, type SourceOptions } from './source-link.ts'
export {
  type ContentKeeping,
  type FormatRoom,
  type FormatVersion,
  keepingsOf,
  type KeptFinding,
  type PackageFigures,
  type PackageType,
  roomOf,
  type ToldFacts,
} from './format-room.ts'
export { deleteWhole } from './package-deletion.ts'
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
export { type FileRoom, findFileRoom } from './upload-room.ts'
export { type FileToKeep, findVersionFile, findVersionFiles, keepFile, removeFile, type VersionFiles } from './version-files.ts'
export { tellOfVersionGone, type VersionedFormat, versionedRoom } from './versioned-format.ts'
export * from './upstream/index.ts'
export { holdRows, type KeptRows, looseRows } from './kept-rows.ts'
export { Tally, type TallySettings } from './tally.ts'
