// Documents of the audit, with the fields that GitHub Enterprise gives them; `target`, `details` and `request_id` are ours.
import Type, { type Static } from 'typebox'
import { nullable, oneOf, paging, time } from './schemas.ts'

export const AuditQuery = Type.Object({
  phrase: Type.Optional(
    Type.String({
      maxLength: 500,
      description: 'action:member, actor:alice, created:>=2026-11-01 or created:2026-11-01..2026-11-30, with spaces between',
    }),
  ),
  after: Type.Optional(Type.String({ maxLength: 40, description: 'a cursor, from a Link header: what comes after it' })),
  before: Type.Optional(Type.String({ maxLength: 40, description: 'a cursor, from a Link header: what comes right before it' })),
  order: Type.Optional(Type.Enum(['desc', 'asc'], { description: 'desc, the newest first, without it' })),
  per_page: paging.per_page,
  include: Type.Optional(oneOf('web', 'git', 'all')),
})

export const AuditEntryJson = Type.Object({
  '@timestamp': Type.Integer({ description: 'milliseconds since 1970' }),
  _document_id: Type.String(),
  action: Type.String(),
  operation_type: oneOf('create', 'modify', 'remove', 'transfer'),
  created_at: Type.Integer({ description: 'milliseconds since 1970' }),
  time,
  actor: Type.String({
    description: 'a login, or what a repository’s token is called; `the operator`: the command on the server’s machine',
  }),
  actor_id: nullable(Type.Integer()),
  actor_ip: Type.Optional(nullable(Type.String({ description: 'in the server’s audit alone' }))),
  owner_id: nullable(Type.Integer({ description: 'the account that it concerns' })),
  repo_id: nullable(Type.Integer()),
  target: Type.String({ description: 'what was acted on, as it was called then' }),
  details: Type.Record(Type.String(), Type.Any()),
  request_id: nullable(Type.String()),
})
export type AuditEntryJson = Static<typeof AuditEntryJson>
