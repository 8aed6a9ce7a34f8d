// SSH keys in GitHub's shapes (REST "Git SSH keys", "Deploy keys"). `fingerprint` is our own field.
import Type, { type Static } from 'typebox'
import { nullable, RepositoryParams, time } from './schemas.ts'

const keyFields = {
  id: Type.Integer(),
  key: Type.String({ description: 'type and base64, without a comment' }),
  title: Type.String(),
  url: Type.String(),
  created_at: time,
  last_used: nullable(time),
  verified: Type.Boolean({ description: 'always true: a key is what its holder shows' }),
  read_only: Type.Boolean(),
  fingerprint: Type.String({ description: 'SHA256:…, as OpenSSH shows it' }),
}

export const UserKeyJson = Type.Object(keyFields)
export type UserKeyJson = Static<typeof UserKeyJson>

export const DeployKeyJson = Type.Object({ ...keyFields, added_by: nullable(Type.String()), enabled: Type.Boolean() })
export type DeployKeyJson = Static<typeof DeployKeyJson>

/** What anybody sees of a user's keys. */
export const SimpleKeyJson = Type.Object({ id: Type.Integer(), key: Type.String() })

const key = Type.String({ minLength: 1, maxLength: 16_384 })
const title = Type.Optional(Type.String({ maxLength: 255 }))
export const NewUserKeyJson = Type.Object({ title, key })
export const NewDeployKeyJson = Type.Object({ title, key, read_only: Type.Optional(Type.Boolean()) })

const keyId = { key_id: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }) }
export const UserKeyParams = Type.Object(keyId)
export const DeployKeyParams = Type.Object({ ...RepositoryParams.properties, ...keyId })
