// The documents of folders with their last commits, and of blame: ours. GitHub has both in its pages and in GraphQL only; blame is shaped like its BlameRange.
import Type, { type Static } from 'typebox'
import { PersonJson } from './git-schemas.ts'

const nullable = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T) => Type.Union([schema, Type.Null()])

const ShortCommitJson = Type.Object({
  sha: Type.String(),
  url: Type.String(),
  html_url: Type.String(),
  message_headline: Type.String({ description: 'the first line' }),
  author: nullable(PersonJson),
  committer: nullable(PersonJson),
})
export type ShortCommitJson = Static<typeof ShortCommitJson>

export const FolderCommitsJson = Type.Array(
  Type.Object({
    name: Type.String(),
    path: Type.String(),
    type: Type.Enum(['file', 'dir', 'symlink', 'submodule']),
    mode: Type.String(),
    sha: Type.String(),
    size: Type.Integer(),
    url: Type.String(),
    commit: ShortCommitJson,
  }),
)
export type FolderCommitsJson = Static<typeof FolderCommitsJson>

export const BlameJson = Type.Object({
  sha: Type.String({ description: 'of the blob' }),
  commit_sha: Type.String({ description: 'of the commit whose file it is' }),
  path: Type.String(),
  ranges: Type.Array(
    Type.Object({
      starting_line: Type.Integer({ description: 'from 1' }),
      ending_line: Type.Integer(),
      age: Type.Integer({ description: 'from 1 (the newest change of this file) to 10 (the oldest)' }),
      original_path: Type.String(),
      original_starting_line: Type.Integer(),
      commit: ShortCommitJson,
    }),
  ),
})
export type BlameJson = Static<typeof BlameJson>
