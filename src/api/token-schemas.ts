// Documents of tokens. All of them are Stemma's own, but for those of /admin/tokens, which have GitHub Enterprise's fields among them.
import Type, { type Static } from 'typebox'
import { homeScopes, scopes } from '../access/index.ts'
import { nullable, oneOf, OwnerJson, paging, time } from './schemas.ts'

const name = Type.String({ minLength: 1, maxLength: 255 })
const expiry = Type.Optional(nullable(Type.String({ description: 'ISO 8601, in the future; null or left out: never', maxLength: 40 })))
const things = (description: string) => Type.Optional(Type.Array(Type.String({ maxLength: 200 }), { maxItems: 100, description }))

export const NewTokenJson = Type.Object({
  name,
  scopes: nullable(Type.Array(oneOf(...scopes), { maxItems: scopes.length, description: 'null: whatever the account may, now and later' })),
  owners: things('logins: only for what belongs to one of these, and for what `repositories` names'),
  repositories: things('OWNER/REPO: only for these, and for what belongs to `owners`'),
  expires_at: expiry,
})

export const NewDeployTokenJson = Type.Object({
  name,
  scopes: Type.Optional(Type.Array(oneOf(...homeScopes), { minItems: 1, maxItems: homeScopes.length })),
  expires_at: expiry,
})

const fields = {
  id: Type.Integer(),
  kind: oneOf('personal', 'deploy', 'ci'),
  name: Type.String(),
  scopes: nullable(Type.Array(Type.String())),
  created_at: time,
  expires_at: nullable(time),
  last_used_at: nullable(time),
}
const bound = {
  owners: nullable(Type.Array(Type.String(), { description: 'null: not bound to owners' })),
  repositories: nullable(
    Type.Array(Type.String(), { description: 'those that the caller may still read; null: not bound to repositories' }),
  ),
}
const secret = { token: Type.String({ description: 'the secret, which is not shown again' }) }

export const TokenJson = Type.Object({ ...fields, ...bound })
export type TokenJson = Static<typeof TokenJson>
export const MadeTokenJson = Type.Object({ ...fields, ...bound, ...secret })
export const DeployTokenJson = Type.Object(fields)
export type DeployTokenJson = Static<typeof DeployTokenJson>
export const MadeDeployTokenJson = Type.Object({ ...fields, ...secret })

export const AnyTokenJson = Type.Object({
  ...fields,
  bearer: Type.String({ description: 'a login, or OWNER/REPO' }),
  user: nullable(OwnerJson),
})
export type AnyTokenJson = Static<typeof AnyTokenJson>
export const AnyTokenQuery = Type.Object({ ...paging, account: Type.Optional(Type.String()) })

export const TokenParams = Type.Object({ id: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }) })
export const DeployTokenParams = Type.Object({
  owner: Type.String(),
  repo: Type.String(),
  id: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }),
})
