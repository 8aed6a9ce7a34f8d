// What is sent to write objects, refs and files (GitHub REST "Git database", "Repository contents", "Branches").
import Type, { type Static } from 'typebox'
import { CommitJson, GitCommitJson } from './git-schemas.ts'

const nullable = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T) => Type.Union([schema, Type.Null()])
const sha = Type.String({ pattern: '^(?:[0-9a-f]{40}|[0-9a-f]{64})$' })
/** No NUL, which no Git object's text holds, and no half of a surrogate pair, which no UTF-8 says. */
const text = (more: object = {}) => Type.String({ pattern: '^[^\\u0000\\ud800-\\udfff]*$', ...more })
// patterns are of UTF-16 words without the flag `u`: whole pairs are let through here, and what is no text is found by the handler
const words = Type.String({ minLength: 1, maxLength: 1 << 20 })
const path = Type.String({ minLength: 1, maxLength: 4096 })
const line = text({ minLength: 1, maxLength: 1024 })

export const SignerJson = Type.Object({
  name: Type.String({ minLength: 1, maxLength: 1024 }),
  email: line,
  date: Type.Optional(Type.String({ description: 'ISO 8601; now without it', maxLength: 64 })),
})
export type SignerJson = Static<typeof SignerJson>

export const NewBlobJson = Type.Object({
  content: Type.String(),
  encoding: Type.Optional(Type.Enum(['utf-8', 'base64'])),
})
export const BlobMadeJson = Type.Object({ url: Type.String(), sha: Type.String() })

export const NewTreeJson = Type.Object({
  base_tree: Type.Optional(sha),
  tree: Type.Array(
    Type.Object({
      path,
      mode: Type.Enum(['100644', '100755', '040000', '160000', '120000']),
      type: Type.Optional(Type.Enum(['blob', 'tree', 'commit'])),
      sha: Type.Optional(nullable(sha)),
      content: Type.Optional(Type.String()),
    }),
    { minItems: 1, maxItems: 100_000 },
  ),
})
export type NewTreeJson = Static<typeof NewTreeJson>

export const NewCommitJson = Type.Object({
  message: words,
  tree: sha,
  parents: Type.Optional(Type.Array(sha, { maxItems: 100 })),
  author: Type.Optional(SignerJson),
  committer: Type.Optional(SignerJson),
  signature: Type.Optional(text({ maxLength: 1 << 20 })),
})

export const NewTagJson = Type.Object({
  tag: Type.String({ minLength: 1, maxLength: 1000 }),
  message: Type.String({ maxLength: 1 << 20 }),
  object: sha,
  type: Type.Enum(['commit', 'tree', 'blob']),
  tagger: Type.Optional(SignerJson),
})

export const NewRefJson = Type.Object({ ref: Type.String({ maxLength: 1000 }), sha })
export const RefChangeJson = Type.Object({ sha, force: Type.Optional(Type.Boolean()) })

const fileFields = {
  message: words,
  branch: Type.Optional(Type.String({ minLength: 1, maxLength: 1000 })),
  author: Type.Optional(SignerJson),
  committer: Type.Optional(SignerJson),
}
export const FileChangeJson = Type.Object({
  ...fileFields,
  content: Type.String({ description: 'base64' }),
  sha: Type.Optional(Type.String({ description: 'of the file that is replaced' })),
})
export const FileDeletionJson = Type.Object({ ...fileFields, sha: Type.String() })

export const FileCommitJson = Type.Object({
  content: nullable(
    Type.Object({
      name: Type.String(),
      path: Type.String(),
      sha: Type.String(),
      size: Type.Integer(),
      url: Type.String(),
      html_url: nullable(Type.String()),
      git_url: nullable(Type.String()),
      download_url: nullable(Type.String()),
      type: Type.Literal('file'),
      _links: Type.Object({ self: Type.String(), git: nullable(Type.String()), html: nullable(Type.String()) }),
    }),
  ),
  commit: GitCommitJson,
})
export type FileCommitJson = Static<typeof FileCommitJson>

export const RenameJson = Type.Object({ new_name: Type.String({ minLength: 1, maxLength: 1000 }) })

export const NewMergeJson = Type.Object({
  base: Type.String({ minLength: 1, maxLength: 1000 }),
  head: Type.String({ minLength: 1, maxLength: 1000 }),
  commit_message: Type.Optional(words),
})
export const MergedJson = CommitJson
