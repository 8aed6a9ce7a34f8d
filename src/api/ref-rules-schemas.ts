// Rules of refs as documents: our own shape, for patterns of refs of every kind, and GitHub's for one branch.
import Type, { type Static } from 'typebox'
import { nullable, oneOf, OwnerJson } from './schemas.ts'

const role = nullable(oneOf('write', 'admin'))

const AllowedJson = Type.Object({
  role,
  users: Type.Array(Type.String({ description: 'logins' })),
  deploy: Type.Boolean({ description: 'the repository’s own tokens and keys: of deployments, of CI jobs' }),
})

export const RefRuleJson = Type.Object({
  id: Type.Integer(),
  url: Type.String(),
  pattern: Type.String({ description: 'of full ref names: * within one part, ** across parts' }),
  push: AllowedJson,
  force: AllowedJson,
  delete: AllowedJson,
  enforce_admins: Type.Boolean(),
})
export type RefRuleJson = Static<typeof RefRuleJson>

const logins = Type.Array(Type.String({ maxLength: 100 }), { maxItems: 100 })
const WantedAllowedJson = Type.Object(
  { role: Type.Optional(role), users: Type.Optional(logins), deploy: Type.Optional(Type.Boolean()) },
  { additionalProperties: false },
)
const wanted = {
  push: Type.Optional(WantedAllowedJson),
  force: Type.Optional(WantedAllowedJson),
  delete: Type.Optional(WantedAllowedJson),
  enforce_admins: Type.Optional(Type.Boolean()),
}
const pattern = Type.String({ minLength: 1, maxLength: 1000 })

export const NewRefRuleJson = Type.Object({ pattern, ...wanted }, { additionalProperties: false })
export const RefRuleChangeJson = Type.Object({ pattern: Type.Optional(pattern), ...wanted }, { additionalProperties: false })
export const RefRuleParams = Type.Object({ owner: Type.String(), repo: Type.String(), id: Type.Integer({ minimum: 1, maximum: 2 ** 52 }) })

const enabled = Type.Object({ enabled: Type.Boolean() })
const enabledAt = Type.Object({ url: Type.String(), enabled: Type.Boolean() })

export const BranchProtectionJson = Type.Object({
  url: Type.String(),
  enforce_admins: enabledAt,
  restrictions: Type.Optional(
    Type.Object({
      url: Type.String(),
      users_url: Type.String(),
      teams_url: Type.String(),
      apps_url: Type.String(),
      users: Type.Array(OwnerJson),
      teams: Type.Array(Type.Null()),
      apps: Type.Array(Type.Null()),
    }),
  ),
  required_signatures: enabledAt,
  required_linear_history: enabled,
  allow_force_pushes: enabled,
  allow_deletions: enabled,
  block_creations: enabled,
  required_conversation_resolution: enabled,
  lock_branch: enabled,
  allow_fork_syncing: enabled,
  rule: RefRuleJson,
})
export type BranchProtectionJson = Static<typeof BranchProtectionJson>

const flag = Type.Optional(nullable(Type.Boolean()))
const list = Type.Optional(Type.Array(Type.String({ maxLength: 100 }), { maxItems: 100 }))

/** What isn't there at all is taken where it is switched off. */
export const BranchProtectionChangeJson = Type.Object({
  required_status_checks: nullable(Type.Object({}, { additionalProperties: true })),
  enforce_admins: nullable(Type.Boolean()),
  required_pull_request_reviews: nullable(Type.Object({}, { additionalProperties: true })),
  restrictions: nullable(Type.Object({ users: logins, teams: list, apps: list })),
  required_linear_history: flag,
  allow_force_pushes: flag,
  allow_deletions: flag,
  block_creations: flag,
  required_conversation_resolution: flag,
  lock_branch: flag,
  allow_fork_syncing: flag,
})
export const BranchProtectionParams = Type.Object({ owner: Type.String(), repo: Type.String(), branch: Type.String() })
