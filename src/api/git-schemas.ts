// The documents of Git's own objects and refs (GitHub REST "Git database", "Branches", "Commits").
import Type, { type Static } from 'typebox'

const nullable = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T) => Type.Union([schema, Type.Null()])
const oneOf = <T extends string[]>(...values: [...T]) => Type.Enum(values)
const sha = Type.String({ description: '40 or 64 hex digits, by the repository’s object format' })

const repository = { owner: Type.String(), repo: Type.String() }
/** Of routes that end in `*`, for what may hold slashes: no schema can name that (TypeBox takes names for patterns); `restOf` reads it. */
export const RestParams = Type.Object(repository)
export const ShaParams = Type.Object({ ...repository, sha: Type.String() })
export const BranchParams = RestParams

export const PersonJson = Type.Object({ name: Type.String(), email: Type.String(), date: Type.String() })
export type PersonJson = Static<typeof PersonJson>

export const VerificationJson = Type.Object({
  verified: Type.Boolean(),
  reason: Type.String(),
  signature: nullable(Type.String()),
  payload: nullable(Type.String()),
  verified_at: nullable(Type.String()),
})

const Linked = Type.Object({ sha, url: Type.String() })
const Parent = Type.Object({ sha, url: Type.String(), html_url: Type.String() })

export const GitCommitJson = Type.Object({
  sha,
  node_id: Type.String(),
  url: Type.String(),
  html_url: Type.String(),
  author: PersonJson,
  committer: PersonJson,
  message: Type.String(),
  tree: Linked,
  parents: Type.Array(Parent),
  verification: VerificationJson,
})
export type GitCommitJson = Static<typeof GitCommitJson>

const commitFields = {
  sha,
  node_id: Type.String(),
  commit: Type.Object({
    url: Type.String(),
    author: nullable(PersonJson),
    committer: nullable(PersonJson),
    message: Type.String(),
    comment_count: Type.Integer(),
    tree: Linked,
    verification: VerificationJson,
  }),
  url: Type.String(),
  html_url: Type.String(),
  comments_url: Type.String(),
  author: Type.Null({ description: 'accounts have no email addresses to be found by' }),
  committer: Type.Null(),
  parents: Type.Array(Parent),
}
export const CommitJson = Type.Object(commitFields)
export type CommitJson = Static<typeof CommitJson>

export const FileDiffJson = Type.Object({
  sha: Type.String(),
  filename: Type.String(),
  status: oneOf('added', 'removed', 'modified', 'renamed'),
  additions: Type.Integer(),
  deletions: Type.Integer(),
  changes: Type.Integer(),
  blob_url: Type.String(),
  raw_url: Type.String(),
  contents_url: Type.String(),
  patch: Type.Optional(Type.String({ description: 'left out of binary and of very large files' })),
  previous_filename: Type.Optional(Type.String()),
})
export type FileDiffJson = Static<typeof FileDiffJson>

export const FullCommitJson = Type.Object({
  ...commitFields,
  stats: Type.Object({ additions: Type.Integer(), deletions: Type.Integer(), total: Type.Integer() }),
  files: Type.Array(FileDiffJson),
})
export type FullCommitJson = Static<typeof FullCommitJson>

export const ComparisonJson = Type.Object({
  url: Type.String(),
  html_url: Type.String(),
  permalink_url: Type.String(),
  diff_url: Type.String(),
  patch_url: Type.String(),
  base_commit: CommitJson,
  merge_base_commit: CommitJson,
  status: oneOf('diverged', 'ahead', 'behind', 'identical'),
  ahead_by: Type.Integer(),
  behind_by: Type.Integer(),
  total_commits: Type.Integer(),
  commits: Type.Array(CommitJson),
  files: Type.Array(FileDiffJson),
})
export type ComparisonJson = Static<typeof ComparisonJson>

export const GitTreeJson = Type.Object({
  sha,
  url: Type.String(),
  tree: Type.Array(
    Type.Object({
      path: Type.String(),
      mode: Type.String(),
      type: oneOf('blob', 'tree', 'commit'),
      sha,
      size: Type.Optional(Type.Integer()),
      url: Type.Optional(Type.String()),
    }),
  ),
  truncated: Type.Boolean(),
})
export type GitTreeJson = Static<typeof GitTreeJson>

export const BlobJson = Type.Object({
  sha,
  node_id: Type.String(),
  size: Type.Integer(),
  url: Type.String(),
  content: Type.String(),
  encoding: Type.Literal('base64'),
})
export type BlobJson = Static<typeof BlobJson>

const Target = Type.Object({ sha, type: oneOf('commit', 'tree', 'blob', 'tag'), url: Type.String() })

export const GitTagJson = Type.Object({
  node_id: Type.String(),
  tag: Type.String(),
  sha,
  url: Type.String(),
  message: Type.String(),
  tagger: PersonJson,
  object: Target,
  verification: VerificationJson,
})
export type GitTagJson = Static<typeof GitTagJson>

export const RefJson = Type.Object({ ref: Type.String(), node_id: Type.String(), url: Type.String(), object: Target })
export type RefJson = Static<typeof RefJson>

export const ShortBranchJson = Type.Object({ name: Type.String(), commit: Linked, protected: Type.Boolean() })
export type ShortBranchJson = Static<typeof ShortBranchJson>

export const BranchJson = Type.Object({
  name: Type.String(),
  commit: CommitJson,
  _links: Type.Object({ html: Type.String(), self: Type.String() }),
  protected: Type.Boolean(),
  protection: Type.Object({
    enabled: Type.Boolean(),
    required_status_checks: Type.Object({
      enforcement_level: Type.String(),
      contexts: Type.Array(Type.String()),
      checks: Type.Array(Type.Null()),
    }),
  }),
  protection_url: Type.String(),
})
export type BranchJson = Static<typeof BranchJson>

export const TagJson = Type.Object({
  name: Type.String(),
  commit: Linked,
  zipball_url: Type.String(),
  tarball_url: Type.String(),
  node_id: Type.String(),
})
export type TagJson = Static<typeof TagJson>

const paging = { page: Type.Optional(Type.Integer()), per_page: Type.Optional(Type.Integer()) }
export const PageQuery = Type.Object(paging)
export const BranchListQuery = Type.Object({ ...paging, protected: Type.Optional(Type.Boolean()) })
export const TreeQuery = Type.Object({ recursive: Type.Optional(Type.String({ description: 'any value: all levels' })) })
export const CommitListQuery = Type.Object({
  ...paging,
  sha: Type.Optional(Type.String()),
  path: Type.Optional(Type.String()),
  author: Type.Optional(Type.String({ description: 'a name or an email address' })),
  committer: Type.Optional(Type.String({ description: 'a name or an email address' })),
  since: Type.Optional(Type.String({ description: 'ISO 8601' })),
  until: Type.Optional(Type.String({ description: 'ISO 8601' })),
})
