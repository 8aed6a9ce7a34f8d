// Documents of users, organisations, members and collaborators. `permission` of a membership is ours: GitHub's members have one role each, ours three.
import Type, { type Static } from 'typebox'
import { nullable, oneOf, OwnerJson, paging, time, UserJson } from './schemas.ts'

/** What is shown in lists and on terminals: one line, no control characters, no half of a surrogate pair. */
const lineOf = (maxLength: number) => Type.String({ maxLength, pattern: '^[^\\u0000-\\u001f\\u007f\\ud800-\\udfff]*$' })
const displayName = nullable(lineOf(255))
const email = nullable(
  Type.String({ maxLength: 254, pattern: '^[^\\u0000-\\u0020\\u007f\\ud800-\\udfff@]+@[^\\u0000-\\u0020\\u007f\\ud800-\\udfff@]+$' }),
)
const login = Type.String({ minLength: 1 })

export const UsernameParams = Type.Object({ username: Type.String() })
export const MemberParams = Type.Object({ org: Type.String(), username: Type.String() })
export const CollaboratorParams = Type.Object({ owner: Type.String(), repo: Type.String(), username: Type.String() })

/** One page after an id, as GitHub lists accounts. */
export const SinceQuery = Type.Object({
  since: Type.Optional(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description: 'the id of the last one that was seen' })),
  per_page: paging.per_page,
})
export const PageQuery = Type.Object(paging)

export const UserChangeJson = Type.Object({ name: Type.Optional(displayName), email: Type.Optional(email) })
export const NewUserJson = Type.Object({
  login,
  name: Type.Optional(displayName),
  email: Type.Optional(email),
  site_admin: Type.Optional(Type.Boolean()),
})
export const AdministeredUserJson = Type.Object({
  login: Type.Optional(login),
  name: Type.Optional(displayName),
  email: Type.Optional(email),
  site_admin: Type.Optional(Type.Boolean()),
})
/** As administrators see a user. */
export const FullUserJson = Type.Intersect([UserJson, Type.Object({ suspended_at: nullable(time) })])
export type FullUserJson = Static<typeof FullUserJson>

export const NewOrganizationJson = Type.Object({ login, name: Type.Optional(displayName) })
/** GitHub Enterprise's words. */
export const MadeOrganizationJson = Type.Object({
  login,
  admin: Type.String({ description: 'the login of whoever administers it first' }),
  profile_name: Type.Optional(displayName),
})
export const OrganizationChangeJson = Type.Object({ name: Type.Optional(displayName), email: Type.Optional(email) })

const organizationFields = {
  login: Type.String(),
  id: Type.Integer(),
  node_id: Type.String(),
  url: Type.String(),
  repos_url: Type.String(),
  members_url: Type.String(),
  avatar_url: Type.String(),
  description: nullable(Type.String()),
}
export const OrganizationJson = Type.Object(organizationFields)
export type OrganizationJson = Static<typeof OrganizationJson>
export const FullOrganizationJson = Type.Object({
  ...organizationFields,
  name: nullable(Type.String()),
  email: nullable(Type.String()),
  html_url: Type.String(),
  type: oneOf('Organization'),
  public_repos: Type.Integer(),
  created_at: time,
  updated_at: time,
})
export type FullOrganizationJson = Static<typeof FullOrganizationJson>

const permission = oneOf('read', 'write', 'admin')
export const MemberListQuery = Type.Object({ ...paging, role: Type.Optional(oneOf('all', 'admin', 'member')) })
export const OwnMembershipQuery = Type.Object({ ...paging, state: Type.Optional(oneOf('active', 'pending')) })
export const MembershipChangeJson = Type.Object({
  role: Type.Optional(oneOf('admin', 'member')),
  permission: Type.Optional(permission),
})
export const MembershipJson = Type.Object({
  url: Type.String(),
  state: oneOf('active'),
  role: oneOf('admin', 'member'),
  permission: Type.Enum(['read', 'write', 'admin'], { description: 'in all repositories of the organization' }),
  organization_url: Type.String(),
  organization: OrganizationJson,
  user: OwnerJson,
})
export type MembershipJson = Static<typeof MembershipJson>

export const CollaboratorListQuery = Type.Object({
  ...paging,
  affiliation: Type.Optional(oneOf('outside', 'direct', 'all')),
  permission: Type.Optional(oneOf('pull', 'push', 'admin', 'read', 'write')),
})
export const CollaboratorChangeJson = Type.Object({ permission: Type.Optional(oneOf('pull', 'push', 'admin', 'read', 'write')) })
const permissions = Type.Object({
  pull: Type.Boolean(),
  triage: Type.Boolean(),
  push: Type.Boolean(),
  maintain: Type.Boolean(),
  admin: Type.Boolean(),
})
export const CollaboratorJson = Type.Intersect([OwnerJson, Type.Object({ permissions, role_name: permission })])
export type CollaboratorJson = Static<typeof CollaboratorJson>
export const StandingJson = Type.Object({
  permission: oneOf('admin', 'write', 'read', 'none'),
  role_name: oneOf('admin', 'write', 'read', 'none'),
  user: OwnerJson,
})

export const TransferJson = Type.Object({ new_owner: Type.String(), new_name: Type.Optional(Type.String({ minLength: 1 })) })
