// archive: trees as tar and zip archives. Name → task (arguments, revision) → tree (tree-ish) → entries → bytes (tar-stream, zip-stream), all
// but the first in a worker (archive-job). Downloads (download) and git-upload-archive (upload-archive) answer with it.
export { download, findArchive } from './download.ts'
export type { ArchiveHead } from './task.ts'
export { archiveRequestBytes, assertArchiveEnabled, uploadArchive } from './upload-archive.ts'
