// The API's documents, in the shapes of GitHub's REST v3 as far as we have what they speak of. `object_format` is our own field.
import Type, { type Static } from 'typebox'

export const nullable = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T) => Type.Union([schema, Type.Null()])
export const oneOf = <T extends string[]>(...values: [...T]) => Type.Enum(values)
export const time = Type.String({ description: 'ISO 8601, UTC, whole seconds' })

export const OwnerJson = Type.Object({
  login: Type.String(),
  id: Type.Integer(),
  node_id: Type.String(),
  avatar_url: Type.String(),
  gravatar_id: Type.String(),
  url: Type.String(),
  html_url: Type.String(),
  repos_url: Type.String(),
  type: oneOf('User', 'Organization'),
  site_admin: Type.Boolean(),
})
export type OwnerJson = Static<typeof OwnerJson>

export const UserJson = Type.Intersect([
  OwnerJson,
  Type.Object({
    name: nullable(Type.String()),
    email: nullable(Type.String()),
    public_repos: Type.Integer(),
    total_private_repos: Type.Optional(Type.Integer()),
    owned_private_repos: Type.Optional(Type.Integer()),
    created_at: time,
    updated_at: time,
  }),
])
export type UserJson = Static<typeof UserJson>

const repositoryFields = {
  id: Type.Integer(),
  node_id: Type.String(),
  name: Type.String(),
  full_name: Type.String(),
  owner: OwnerJson,
  private: Type.Boolean(),
  visibility: oneOf('public', 'internal', 'private'),
  html_url: Type.String(),
  description: nullable(Type.String()),
  fork: Type.Boolean({ description: 'what it was forked from still exists' }),
  url: Type.String(),
  forks_url: Type.String(),
  clone_url: Type.String(),
  ssh_url: nullable(Type.String({ description: 'null: the server has SSH off' })),
  default_branch: Type.String(),
  object_format: oneOf('sha1', 'sha256'),
  size: Type.Integer({ description: 'KiB of stored packs, those shared with forks included' }),
  archived: Type.Boolean(),
  disabled: Type.Boolean(),
  created_at: time,
  updated_at: time,
  pushed_at: nullable(time),
  permissions: Type.Object({ admin: Type.Boolean(), push: Type.Boolean(), pull: Type.Boolean() }),
}
export const RepositoryJson = Type.Object(repositoryFields)
export type RepositoryJson = Static<typeof RepositoryJson>

/** Of one repository: with what it was forked from, where the caller may read that. */
export const FullRepositoryJson = Type.Object({ ...repositoryFields, parent: Type.Optional(RepositoryJson) })
export type FullRepositoryJson = Static<typeof FullRepositoryJson>

export const ErrorJson = Type.Object({
  message: Type.String(),
  documentation_url: Type.String(),
  status: Type.String(),
  errors: Type.Optional(
    Type.Array(Type.Object({ resource: Type.String(), field: Type.String(), code: Type.String(), message: Type.String() })),
  ),
})

// No control characters: PostgreSQL's text holds no NUL, and nobody's terminal wants the others. No half of a surrogate pair: it is no text.
const description = nullable(Type.String({ maxLength: 350, pattern: '^[^\\u0000-\\u001f\\u007f\\ud800-\\udfff]*$' }))
// As strict as needed to be kept; that the branch exists is asked of the database. Git's rules: git-check-ref-format(1).
// GitHub takes no full ref name for a branch, and a branch of that name is nobody's wish.
const branch = Type.String({
  minLength: 1,
  maxLength: 255,
  pattern: '^(?![/.-]|refs/)(?!.*(?:\\.\\.|//|@\\{|\\.lock$|[/.]$))[^\\u0000-\\u0020\\u007f\\ud800-\\udfff~^:?*\\[\\\\]+$',
})
const name = Type.String({ minLength: 1 })
const visibility = oneOf('public', 'internal', 'private')

export const NewRepositoryJson = Type.Object({
  name,
  description: Type.Optional(description),
  private: Type.Optional(Type.Boolean()),
  visibility: Type.Optional(visibility),
  auto_init: Type.Optional(Type.Boolean()),
  default_branch: Type.Optional(branch),
  object_format: Type.Optional(oneOf('sha1', 'sha256')),
})

export const RepositoryChangeJson = Type.Object({
  name: Type.Optional(name),
  description: Type.Optional(description),
  private: Type.Optional(Type.Boolean()),
  visibility: Type.Optional(visibility),
  default_branch: Type.Optional(branch),
  archived: Type.Optional(Type.Boolean()),
})

export const NewForkJson = Type.Object({
  name: Type.Optional(name),
  organization: Type.Optional(Type.String()),
  default_branch_only: Type.Optional(Type.Boolean({ description: 'HEAD’s branch, and no other ref' })),
})

/** Each key with all its values; keys in small letters. */
export const GitConfigJson = Type.Record(Type.String(), Type.Array(Type.String()))
/** Null takes a key away. */
export const GitConfigChangeJson = Type.Record(
  Type.String(),
  Type.Union([Type.String(), Type.Boolean(), Type.Number(), Type.Array(Type.String()), Type.Null()]),
)

export const paging = { page: Type.Optional(Type.Integer()), per_page: Type.Optional(Type.Integer()) }
const order = {
  sort: Type.Optional(oneOf('created', 'updated', 'pushed', 'full_name')),
  direction: Type.Optional(oneOf('asc', 'desc')),
}

export const OwnListQuery = Type.Object({
  ...paging,
  ...order,
  type: Type.Optional(oneOf('all', 'owner', 'public', 'private', 'member')),
  visibility: Type.Optional(oneOf('all', 'public', 'internal', 'private')),
  affiliation: Type.Optional(
    Type.String({ pattern: '^(?:owner|collaborator|organization_member)(?:,(?:owner|collaborator|organization_member))*$' }),
  ),
})

export const ListQuery = Type.Object({ ...paging, ...order, type: Type.Optional(oneOf('all', 'owner', 'member')) })

export const ForkListQuery = Type.Object({ ...paging, sort: Type.Optional(oneOf('newest', 'oldest')) })

export const RepositoryParams = Type.Object({ owner: Type.String(), repo: Type.String() })
export const LoginParams = Type.Object({ login: Type.String() })
export const OrganizationParams = Type.Object({ org: Type.String() })
