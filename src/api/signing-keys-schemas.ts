// Keys that commits and tags are signed with, as GitHub's documents.
import Type, { type Static } from 'typebox'
import { nullable, time } from './schemas.ts'

export const SshSigningKeyJson = Type.Object({ id: Type.Integer(), key: Type.String(), title: Type.String(), created_at: time })
export type SshSigningKeyJson = Static<typeof SshSigningKeyJson>

export const NewSshSigningKeyJson = Type.Object({
  title: Type.Optional(Type.String({ maxLength: 255 })),
  key: Type.String({ maxLength: 20_000, description: 'one line, as a file that ends in .pub has it' }),
})

const partFields = {
  key_id: Type.String(),
  public_key: Type.String({ description: 'base64, without armor' }),
  can_sign: Type.Boolean(),
  can_encrypt_comms: Type.Boolean(),
  can_encrypt_storage: Type.Boolean(),
  can_certify: Type.Boolean(),
  created_at: Type.String(),
  expires_at: nullable(Type.String()),
  revoked: Type.Boolean(),
}
const EmailJson = Type.Object({ email: Type.String(), verified: Type.Boolean() })

export const GpgKeyJson = Type.Object({
  id: Type.Integer(),
  name: Type.String(),
  primary_key_id: Type.Null(),
  ...partFields,
  emails: Type.Array(EmailJson),
  subkeys: Type.Array(
    Type.Object({ primary_key_id: Type.Integer(), ...partFields, emails: Type.Array(EmailJson), subkeys: Type.Array(Type.Null()) }),
  ),
  raw_key: nullable(Type.String({ description: 'armored' })),
})
export type GpgKeyJson = Static<typeof GpgKeyJson>

export const NewGpgKeyJson = Type.Object({
  name: Type.Optional(Type.String({ maxLength: 255 })),
  armored_public_key: Type.String({ maxLength: 200_000, description: 'what gpg --armor --export prints' }),
})

export const KeyParams = Type.Object({ id: Type.Integer({ minimum: 1, maximum: 2 ** 52 }) })
