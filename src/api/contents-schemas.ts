// The documents of files and folders (GitHub REST "Repository contents").
import Type, { type Static } from 'typebox'

const nullable = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T) => Type.Union([schema, Type.Null()])

const common = {
  name: Type.String(),
  path: Type.String(),
  sha: Type.String(),
  size: Type.Integer(),
  url: Type.String(),
  html_url: nullable(Type.String()),
  git_url: nullable(Type.String()),
  download_url: nullable(Type.String()),
  _links: Type.Object({ self: Type.String(), git: nullable(Type.String()), html: nullable(Type.String()) }),
}

export const FileJson = Type.Object({
  ...common,
  type: Type.Literal('file'),
  content: Type.String(),
  encoding: Type.Enum(['base64', 'none']),
})
export type FileJson = Static<typeof FileJson>

export const SymlinkJson = Type.Object({ ...common, type: Type.Literal('symlink'), target: Type.String() })
export const SubmoduleJson = Type.Object({ ...common, type: Type.Literal('submodule'), submodule_git_url: Type.String() })

export const FolderEntryJson = Type.Object({
  ...common,
  type: Type.Enum(['file', 'dir', 'symlink', 'submodule']),
  submodule_git_url: Type.Optional(Type.String()),
})
export type FolderEntryJson = Static<typeof FolderEntryJson>

/** With the media type `object`: a folder as one, too. */
export const FolderJson = Type.Object({ ...common, type: Type.Literal('dir'), entries: Type.Array(FolderEntryJson) })

export const ContentsJson = Type.Union([FileJson, SymlinkJson, SubmoduleJson, FolderJson, Type.Array(FolderEntryJson)])

export const RefQuery = Type.Object({
  ref: Type.Optional(Type.String({ description: 'a branch, a tag, or a commit; the default branch without it' })),
})
