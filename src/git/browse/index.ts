// browse: a repository read piece by piece, for whoever shows it: names, trees, files, history, differences. Values, no HTTP.
export { Browser, type BrowserOptions, type RepositoryView } from './browser.ts'
export type { AnswerOf, BrowseKind, QuestionOf } from './browse-job.ts'
export { type CommitValue, commitValue, type Person, type TagValue, tagValue } from './commit-value.ts'
export type { Contents, FileContents, FolderContents } from './contents.ts'
export { type DiffAnswer, type FileDiff, mostFiles } from './file-diff.ts'
export type { BlameAnswer, FolderCommits } from './folder-commits.ts'
export type { Named } from './named.ts'
export type { ListedEntry } from './tree-list.ts'
